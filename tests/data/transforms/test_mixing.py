from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zorki.data.transforms.mixing import cutmix, draw_shares, mix_scores, mixup
from zorki.errors import RecipeError


def make_images(count: int, height: int = 8, width: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, height, width), generator=generator, dtype=torch.uint8)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 5.0])
def test_shares_have_the_moments_of_beta(alpha: float) -> None:
    shares = draw_shares(alpha, 40_000, chance()).double()
    assert ((shares >= 0) & (shares <= 1)).all()
    variance = 1 / (4 * (2 * alpha + 1))
    assert shares.mean().item() == pytest.approx(0.5, abs=5 * (variance / 40_000) ** 0.5)
    assert shares.var().item() == pytest.approx(variance, rel=0.03)


def test_alpha_one_is_even() -> None:
    shares = draw_shares(1.0, 40_000, chance())
    assert torch.histc(shares, 10, 0, 1).sub(4000).abs().max() < 300  # deviation 60


def test_tiny_alphas_give_a_coin() -> None:
    shares = draw_shares(1e-6, 1000, chance())
    assert set(shares.tolist()) <= {0.0, 1.0}
    assert 400 < shares.sum() < 600


@pytest.mark.parametrize(("count", "side"), [(7, 8), (5, 300)])  # the large ones are mixed a few at a time
def test_mixup_equals_its_formula(count: int, side: int) -> None:
    inputs = make_images(count, side, side)
    mixed, partner, share = mixup(inputs, 1.0, chance())
    for index in range(count):
        own, other = inputs[index].double(), inputs[int(partner[index])].double()
        expected = own * share[index].double() + other * (1 - share[index].double())
        assert (mixed[index].double() - expected).abs().max() <= 0.501


def test_mixup_by_hand() -> None:
    black_and_white = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 2, 2)
    for seed in range(6):
        mixed, partner, share = mixup(black_and_white, 1.0, chance(seed))
        if partner.tolist() == [1, 0]:
            assert mixed[0, 0, 0, 0].item() == pytest.approx(255 * (1 - share[0].item()), abs=0.51)
            assert mixed[1, 0, 0, 0].item() == pytest.approx(255 * share[1].item(), abs=0.51)
        else:
            assert torch.equal(mixed, black_and_white)


@given(count=st.integers(1, 6), height=st.integers(1, 12), width=st.integers(1, 12), seed=st.integers(0, 999))
@settings(max_examples=80)
def test_cutmix_pastes_one_box_and_counts_it(count: int, height: int, width: int, seed: int) -> None:
    # Every image is filled with its own number, so that each pixel tells where it is from.
    inputs = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(count, 3, height, width)
    mixed, partner, share = cutmix(inputs, 1.0, chance(seed))
    for index in range(count):
        foreign = mixed[index, 0] != index
        assert torch.equal(mixed[index, 0], mixed[index, 2])
        assert set(mixed[index].unique().tolist()) <= {index, int(partner[index])}
        if partner[index] != index:
            assert share[index].item() == pytest.approx(1 - foreign.double().mean().item(), abs=1e-6)
            rows, columns = foreign.any(1).sum(), foreign.any(0).sum()
            assert foreign.sum() == rows * columns  # a full box


def test_cutmix_takes_pixels_from_their_own_place() -> None:
    inputs = make_images(8, 16, 16)
    mixed, partner, _ = cutmix(inputs, 1.0, chance())
    assert ((mixed == inputs) | (mixed == inputs[partner])).all()
    assert (mixed != inputs).any()


def test_cutmix_boxes_have_the_area_that_was_drawn() -> None:
    # Boxes off the middle are cut off at the edges, so the own share is above Beta's mean of one half. For a center
    # that is anywhere, a side of s keeps s - s * s / 4 of 1 on average; with s * s evenly in 0..1 the area kept is
    # the integral of 2 s (s - s^2 / 4)^2 = 2 (1/4 - 1/10 + 1/96) = 0.3208.
    shares = torch.cat([cutmix(make_images(100, 64, 64), 1.0, chance(seed))[2] for seed in range(20)])
    assert shares.mean().item() == pytest.approx(1 - 0.3208, abs=0.02)


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_mixing_keeps_its_promises(mix: object) -> None:
    assert callable(mix)
    inputs = make_images(9)
    before, state = inputs.clone(), torch.get_rng_state()
    first, second = mix(inputs, 0.4, chance(1)), mix(inputs, 0.4, chance(1))
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))
    assert torch.equal(inputs, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert first[0].dtype == torch.uint8
    assert first[0].shape == inputs.shape
    assert sorted(first[1].tolist()) == list(range(9))
    assert not torch.equal(mix(inputs, 0.4, chance(2))[0], first[0])
    assert torch.equal(mix(inputs.to(memory_format=torch.channels_last), 0.4, chance(1))[0], first[0])
    with pytest.raises(RecipeError, match="alpha above 0"):
        mix(inputs, 0.0, chance())


def test_scores_by_hand() -> None:
    scores = mix_scores(torch.tensor([2, 0, 2]), torch.tensor([1, 1, 0]), torch.tensor([0.75, 0.5, 0.25]), 4)
    assert scores.tolist() == [[0.25, 0, 0.75, 0], [1, 0, 0, 0], [0, 0, 1, 0]]
