"""Scores of nearest-neighbor search: by hand, and as plain loops."""

from __future__ import annotations

import pytest
import torch

from zorki.metrics.retrieval import ranking
from zorki.metrics.retrieval.ranking import ranking_scores, rankings


def on_the_circle(*degrees: float) -> torch.Tensor:
    angles = torch.tensor(degrees).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], 1)


def test_by_hand() -> None:
    """From the query at 0 degrees the gallery comes as 10 (wrong), 20 (right), 30 (right), 90 (wrong)."""
    scores = ranking_scores(
        on_the_circle(0), torch.tensor([7]), on_the_circle(30, 90, 10, 20), torch.tensor([7, 1, 2, 7]), ranks=(1, 2, 3)
    )
    assert scores.recall_at == {1: 0, 2: 1, 3: 1}
    assert scores.mean_average_precision == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert scores.r_precision == pytest.approx(1 / 2)
    assert scores.map_at_r == pytest.approx((0 + 1 / 2) / 2)
    assert scores.mean_reciprocal_rank == pytest.approx(1 / 2)
    assert (scores.queries, scores.lone_queries) == (1, 0)


def test_a_query_is_not_its_own_neighbor_and_a_class_of_one_asks_nothing() -> None:
    scores = ranking_scores(on_the_circle(0, 1, 90), torch.tensor([0, 0, 1]))
    assert (scores.queries, scores.lone_queries) == (2, 1)
    assert scores.recall_at[1] == scores.mean_average_precision == scores.map_at_r == 1
    alone = ranking_scores(on_the_circle(0, 90), torch.tensor([0, 1]))
    assert (alone.queries, alone.recall_at[1], alone.map_at_r) == (0, None, None)


def test_equal_neighbors_keep_the_order_of_the_gallery() -> None:
    twice = torch.tensor([[1.0, 0], [1.0, 0], [1.0, 0]])
    (found,) = rankings(on_the_circle(0), torch.tensor([1]), twice, torch.tensor([0, 1, 0]))
    assert found.hits.tolist() == [[False, True, False]]


def slow_scores(vectors: torch.Tensor, labels: list[int]) -> tuple[float, float, float, float]:
    recall, average, r_precision, at_r = [], [], [], []
    for query, label in enumerate(labels):
        others = [place for place in range(len(labels)) if place != query]
        others.sort(key=lambda place: -float(vectors[query] @ vectors[place]))
        right = [labels[place] == label for place in others]
        if not sum(right):
            continue
        precisions = [sum(right[: rank + 1]) / (rank + 1) for rank in range(len(right))]
        recall.append(any(right[:5]))
        average.append(sum(p for p, hit in zip(precisions, right, strict=True) if hit) / sum(right))
        total = sum(right)
        r_precision.append(sum(right[:total]) / total)
        at_r.append(sum(p for p, hit in zip(precisions[:total], right[:total], strict=True) if hit) / total)
    return tuple(sum(values) / len(values) for values in (recall, average, r_precision, at_r))  # type: ignore[return-value]


@pytest.mark.parametrize("block", [1, 1 << 24])
def test_as_plain_loops(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(ranking, "BLOCK", block)
    generator = torch.Generator().manual_seed(3)
    vectors = torch.nn.functional.normalize(torch.randn(40, 5, generator=generator))
    labels = torch.randint(12, (40,), generator=generator)
    scores = ranking_scores(vectors, labels, ranks=(5,))
    found = (scores.recall_at[5], scores.mean_average_precision, scores.r_precision, scores.map_at_r)
    assert found == pytest.approx(slow_scores(vectors, labels.tolist()))


def test_as_pytorch_metric_learning_counts() -> None:
    """Its AccuracyCalculator 2.9.0 on the same 30 vectors: R-precision, MAP@R, precision at 1."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(30, 4, generator=generator))
    labels = torch.tensor([place % 7 for place in range(28)] + [50, 51])  # two classes of one
    scores = ranking_scores(vectors, labels)
    assert scores.lone_queries == 2
    found = (scores.recall_at[1], scores.r_precision, scores.map_at_r)
    assert found == pytest.approx((0.07142857, 0.10714286, 0.05952381), abs=1e-7)
