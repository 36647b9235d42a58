"""The contrastive loss against plain loops written from its formula, by hand, and over two processes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from zorki.losses.self_supervised.info_nce import InfoNceLoss


def vectors(count: int, dim: int = 5, seed: int = 0) -> Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def similarity(a: Tensor, b: Tensor, *, normalized: bool) -> float:
    product = float(a @ b)
    return product / float(a.norm() * b.norm()) if normalized else product


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("hardest", [0, 2])
def test_the_batch_as_plain_loops(normalized: bool, hardest: int) -> None:
    first, second, t = vectors(4), vectors(4, seed=1), 0.3
    losses = []
    for mine, theirs in ((first, second), (second, first)):
        for i in range(4):
            others = [similarity(mine[i], view[j], normalized=normalized) / t for view in (first, second)
                      for j in range(4) if j != i]  # fmt: skip
            others = sorted(others)[-hardest:] if hardest else others
            own = similarity(mine[i], theirs[i], normalized=normalized) / t
            losses.append(-math.log(math.exp(own) / (math.exp(own) + sum(map(math.exp, others)))))
    loss = InfoNceLoss(t, normalized=normalized, hardest=hardest)(first, second)
    assert float(loss) == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_the_queue_as_plain_loops() -> None:
    first, second, queue, t = vectors(3), vectors(3, seed=1), vectors(6, seed=2), 0.2
    losses = []
    for i in range(3):
        own = math.exp(similarity(first[i], second[i], normalized=True) / t)
        others = sum(math.exp(similarity(first[i], one, normalized=True) / t) for one in queue)
        losses.append(-math.log(own / (own + others)))
    loss = InfoNceLoss(t, negatives="queue")(first, second, queue)
    assert float(loss) == pytest.approx(sum(losses) / 3, rel=1e-5)
    with pytest.raises(ValueError, match="come from a queue, but none was given"):
        InfoNceLoss(negatives="queue")(first, second)


def test_what_tells_nothing_has_the_loss_of_chance() -> None:
    """All views alike: one of 2N - 1, as SimCLR counts; with t far above all similarities as well."""
    same = torch.ones(8, 3)
    assert float(InfoNceLoss(0.5)(same, same)) == pytest.approx(math.log(15), rel=1e-6)
    assert float(InfoNceLoss(1e6)(vectors(8), vectors(8, seed=1))) == pytest.approx(math.log(15), rel=1e-5)


def test_lengths_count_only_where_vectors_are_plain() -> None:
    first, second = vectors(4), vectors(4, seed=1)
    cosine, plain = InfoNceLoss(0.5), InfoNceLoss(0.5, normalized=False)
    assert torch.allclose(cosine(first, second), cosine(3 * first, second))
    assert not torch.allclose(plain(first, second), plain(3 * first, second))


def test_a_batch_of_one_has_no_negatives() -> None:
    first = vectors(1).requires_grad_()
    loss = InfoNceLoss()(first, vectors(1, seed=1))
    loss.backward()
    assert float(loss.detach()) == 0
    assert float(first.grad.abs().sum()) == 0


@pytest.mark.parametrize("given", [{"temperature": 0.0}, {"hardest": -1}])
def test_values_out_of_range_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"temperature|hardest"):
        InfoNceLoss(**given)
