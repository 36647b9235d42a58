"""Neighbors, the linear probe, and how vectors lie: by hand, as plain loops, and against scikit-learn's definition."""

import math

import pytest
import torch

from zorki.metrics.representation.geometry import alignment, effective_rank, participation_ratio, spread, uniformity
from zorki.metrics.representation.knn import knn_labels
from zorki.metrics.representation.linear_probe import probe_labels


def vectors(count, dim=4, seed=0):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def test_neighbors_vote_as_plain_loops():
    queries, reference = vectors(7), vectors(30, seed=1)
    labels = torch.arange(30) % 3
    found = knn_labels(queries, reference, labels, 3, k=5, temperature=0.2)
    for query, label in zip(queries, found.tolist(), strict=True):
        cosines = [float(query @ one / (query.norm() * one.norm())) for one in reference]
        nearest = sorted(range(30), key=cosines.__getitem__)[-5:]
        votes = [sum(math.exp(cosines[k] / 0.2) for k in nearest if int(labels[k]) == c) for c in range(3)]
        assert label == votes.index(max(votes))


def test_one_near_neighbor_outvotes_two_far_ones():
    reference = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    labels = torch.tensor([0, 1, 1])
    query = torch.tensor([[2.0, 0.2]])
    assert knn_labels(query, reference, labels, 2, k=200).tolist() == [0]
    assert knn_labels(query, reference, labels, 2, k=200, temperature=100.0).tolist() == [1], "votes are then equal"


def test_the_probe_separates_what_a_line_separates():
    features = vectors(200, 6)
    labels = (features[:, 2] > 0.1).long()
    asked = vectors(300, 6, seed=3)
    assert float((probe_labels(asked, features, labels, 2) == (asked[:, 2] > 0.1)).float().mean()) > 0.95
    scaled = probe_labels(asked * 100 + 7, features * 100 + 7, labels, 2)
    assert torch.equal(scaled, probe_labels(asked, features, labels, 2)), "features are standardized"


def test_the_probe_takes_features_that_are_all_equal():
    labels = torch.tensor([0, 1, 1, 1])
    assert probe_labels(torch.ones(2, 3), torch.ones(4, 3), labels, 2).tolist() == [1, 1]


def test_alignment_by_hand():
    first, second = torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([[5.0, 0.0], [1.0, 0.0]])
    assert float(alignment(first, second)) == pytest.approx((0 + 2) / 2)


def test_uniformity_by_hand():
    assert float(uniformity(torch.tensor([[1.0, 0.0], [-3.0, 0.0]]))) == pytest.approx(-8.0)
    assert float(uniformity(torch.ones(5, 3))) == pytest.approx(0.0, abs=1e-5)
    assert float(uniformity(torch.ones(1, 3))) == 0


def test_effective_rank_counts_directions():
    axes = torch.eye(6)
    assert float(effective_rank(torch.cat([axes[:4], -axes[:4]]))) == pytest.approx(4.0, rel=1e-4)
    assert float(effective_rank(torch.ones(50, 8) + 1e-9 * vectors(50, 8))) == pytest.approx(1.0, abs=1e-3)
    few, many = vectors(5, 40), vectors(300, 40)
    assert 3.5 < float(effective_rank(few)) <= 4.01, "of five centered points"
    assert 38 < float(effective_rank(many)) <= 40


def test_spread_by_hand():
    assert float(spread(torch.tensor([[1.0, 0.0], [-2.0, 0.0]]))) == pytest.approx(1.0)
    assert float(spread(torch.ones(5, 3))) == pytest.approx(0.0, abs=1e-6)


def test_participation_counts_the_directions_that_carry_the_variance():
    axes = torch.eye(6)
    assert float(participation_ratio(torch.cat([axes[:4], -axes[:4]]))) == pytest.approx(4.0)
    line = torch.tensor([[1.0, 0.0], [-2.0, 0.0], [1.0, 0.01]])
    assert float(participation_ratio(line)) == pytest.approx(1.0, abs=1e-3)
    assert float(participation_ratio(torch.ones(5, 3))) == 1
    many = vectors(40, 5)
    unit = many / many.norm(dim=1, keepdim=True)
    values = torch.linalg.eigvalsh(torch.cov(unit.T, correction=0))
    assert float(participation_ratio(many)) == pytest.approx(float(values.sum() ** 2 / values.square().sum()), rel=1e-4)
