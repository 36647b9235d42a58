"""Gram matrices and their distances, by hand and as plain loops."""

import pytest
import torch

from zorki.losses.style import gram_distance, gram_mean, gram_sum, gram_tap, total_variation


def test_the_gram_matrix_of_two_channels_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])
    assert gram_sum(features).tolist() == [[[5.0, 3.0], [3.0, 9.0]]]
    assert gram_mean(features).tolist() == [[[2.5, 1.5], [1.5, 4.5]]]


def test_weights_pick_places():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])
    assert gram_sum(features, torch.tensor([[0.0, 1.0]])).tolist() == [[[4.0, 0.0], [0.0, 0.0]]]


def test_the_papers_loss_is_equation_4():
    generator = torch.Generator().manual_seed(0)
    image, style = (torch.rand((1, 3, 2, 4), generator=generator) for _ in range(2))
    channels, places, loss = 3, 8, 0.0
    for i in range(channels):
        for j in range(channels):
            sums = [float((one[0, i].flatten() * one[0, j].flatten()).sum()) for one in (image, style)]
            loss += (sums[0] - sums[1]) ** 2 / (4 * channels**2 * places**2)
    assert float(gram_distance(gram_mean(image), gram_mean(style), "paper", places)) == pytest.approx(loss, rel=1e-5)
    plain = float(gram_distance(gram_mean(image), gram_mean(style), "lectures", places))
    assert plain == pytest.approx(loss * 4 * channels**2 * places**2, rel=1e-5)


def test_a_repeated_style_is_the_same_style():
    style = torch.rand((1, 3, 4, 4))
    assert float(gram_distance(gram_mean(style.repeat(1, 1, 1, 2)), gram_mean(style), "paper", 32)) < 1e-12


def test_total_variation_by_hand():
    assert float(total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 3.0]]]]))) == pytest.approx(0.5 * 4 + 0.5 * 10)
    assert float(total_variation(torch.ones((1, 3, 4, 4)))) == 0.0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("use", ["both", "sums alone", "features alone"])
def test_the_tap_has_the_gradient_of_plain_sums(weighted, memory, use):
    generator = torch.Generator().manual_seed(1)
    features = torch.randn((1, 5, 4, 6), generator=generator, dtype=torch.float64).to(memory_format=memory)
    weights = torch.rand((4, 6), generator=generator, dtype=torch.float64) if weighted else None
    scale = torch.randn((1, 5, 5), generator=generator, dtype=torch.float64)
    gradients = []
    for tapped in (True, False):
        image = features.clone().requires_grad_()
        x = image.tanh()
        if tapped:
            passed, sums = gram_tap(x, weights)
        else:
            flat = x.flatten(2)
            passed, sums = x, (flat if weights is None else flat * weights.flatten()) @ flat.transpose(1, 2)
        parts = {"both": [(sums * scale).sum(), passed.exp().sum()], "sums alone": [(sums * scale).sum()]}
        torch.stack(parts.get(use, [passed.exp().sum()])).sum().backward()
        gradients.append(image.grad)
    torch.testing.assert_close(gradients[0], gradients[1])
