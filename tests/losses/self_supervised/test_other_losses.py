"""Losses without negatives: against their formulas, and by hand."""

import pytest
import torch

from zorki.losses.self_supervised.cosine_prediction import cosine_prediction_loss
from zorki.losses.self_supervised.cross_correlation import cross_correlation_loss


def vectors(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_prediction_is_held_against_the_other_view():
    predictions, targets = vectors(3, 2, 4), vectors(3, 2, 4, seed=1)
    total = 0.0
    for i in range(3):
        for mine, theirs in ((0, 1), (1, 0)):
            p, z = predictions[i, mine] / predictions[i, mine].norm(), targets[i, theirs] / targets[i, theirs].norm()
            total += float((p - z).square().sum())
    assert float(cosine_prediction_loss(predictions, targets)) == pytest.approx(total / 6, rel=1e-5)
    assert float(cosine_prediction_loss(targets.flip(1), targets)) == pytest.approx(0.0, abs=1e-6)


def test_cross_correlation_as_plain_loops():
    first, second = vectors(6, 3), vectors(6, 3, seed=1)
    diagonal, rest = 0.0, 0.0
    for i in range(3):
        for j in range(3):
            a, b = first[:, i] - first[:, i].mean(), second[:, j] - second[:, j].mean()
            c = float((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt())
            if i == j:
                diagonal += (1 - c) ** 2
            else:
                rest += c**2
    invariance, redundancy = cross_correlation_loss(first, second, 0.1)
    assert float(invariance) == pytest.approx(diagonal, rel=1e-3)
    assert float(redundancy) == pytest.approx(0.1 * rest, rel=1e-3)


def test_cross_correlation_of_twins_that_are_independent_is_nothing():
    """A Hadamard matrix: columns of mean 0 (but the first), each orthogonal to every other."""
    two = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    rows = torch.kron(two, torch.kron(two, two))[:, 1:]
    invariance, redundancy = cross_correlation_loss(rows, rows)
    assert float(invariance) + float(redundancy) == pytest.approx(0.0, abs=1e-6)
    same = rows[:, :1].expand(8, 4)
    assert float(cross_correlation_loss(same, same, 1.0)[1]) == pytest.approx(12.0, rel=1e-3), "all are one number"
