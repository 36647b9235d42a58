"""Gram matrices and their distances, by hand and as plain loops."""

import pytest
import torch

from zorki.losses.style import gram_distance, gram_mean, gram_sum, total_variation


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
