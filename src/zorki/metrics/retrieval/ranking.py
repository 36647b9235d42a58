"""How well the nearest neighbors of a query are of its class: Recall@K, mAP, R-precision, MAP@R.

As `AccuracyCalculator` of pytorch-metric-learning counts: a query is no neighbor of itself, and one whose class has
nothing else in the gallery is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

BLOCK = 1 << 24  # similarities that are held at once


@dataclass(frozen=True)
class Ranking:
    """The gallery in the order of similarity, for some queries.

    Attributes:
        hits: whether the neighbor of each rank is of the query's class.
        relevant: how many of the whole gallery are; at least 1 each.
        queries: the row of each query.
    """

    hits: Bool[Tensor, "Q R"]
    relevant: Int64[Tensor, " Q"]
    queries: Int64[Tensor, " Q"]


@dataclass(frozen=True)
class RankingScores:
    """Means over the queries with something to find, in 0..1; None where there is no such query.

    Attributes:
        queries: that have something to find.
        lone_queries: left out, since the gallery has nothing else of their class.
        recall_at: for each K, the share of queries with at least one of their class among the K nearest
            (Jegou et al., 2011; Musgrave et al., 2020, call K = 1 precision at 1).
        mean_average_precision: of the whole ranking; a neighbor that is never reached does not exist here.
        r_precision: the share of a query's class among its R nearest, R being how many the gallery has of it.
        map_at_r: the average precision over these R alone, divided by R (Musgrave et al., 2020, section 2.3).
        mean_reciprocal_rank: of the first right neighbor.
    """

    queries: int
    lone_queries: int
    recall_at: dict[int, float | None]
    mean_average_precision: float | None
    r_precision: float | None
    map_at_r: float | None
    mean_reciprocal_rank: float | None


def rankings(
    queries: Float[Tensor, "Q D"],
    query_labels: Int64[Tensor, " Q"],
    gallery: Float[Tensor, "G D"] | None = None,
    gallery_labels: Int64[Tensor, " G"] | None = None,
    *,
    depth: int | None = None,
) -> Iterator[Ranking]:
    """Rankings by inner product, a block of queries at a time; neighbors that are equally near keep their order.

    Args:
        queries: embeddings; on the unit sphere their order is that of Euclidean distance too.
        gallery: None: the queries themselves, each without itself.
        depth: ranks that are told, at most; None: all.
    """
    own = gallery is None or gallery_labels is None
    vectors, labels = (
        (queries, query_labels) if gallery is None or gallery_labels is None else (gallery, gallery_labels)
    )
    count = len(labels) - own
    depth = count if depth is None else min(depth, count)
    for rows in torch.arange(len(queries)).split(max(1, BLOCK // max(1, len(labels)))):
        same = query_labels[rows, None] == labels[None]
        similarity = queries[rows].float() @ vectors.float().T
        if own:
            same[torch.arange(len(rows)), rows] = False
            similarity[torch.arange(len(rows)), rows] = -torch.inf  # comes last, beyond `count`
        order = similarity.sort(dim=1, descending=True, stable=True).indices[:, :depth]
        relevant = same.sum(1)
        kept = relevant > 0
        yield Ranking(same.gather(1, order)[kept], relevant[kept], rows[kept])


def ranking_scores(
    queries: Float[Tensor, "Q D"],
    query_labels: Int64[Tensor, " Q"],
    gallery: Float[Tensor, "G D"] | None = None,
    gallery_labels: Int64[Tensor, " G"] | None = None,
    *,
    ranks: Sequence[int] = (1, 5, 10),
) -> RankingScores:
    """Scores of nearest-neighbor search by inner product; see `rankings` for the arguments.

    Args:
        ranks: the K of Recall@K.

    >>> vectors = torch.tensor([[1.0, 0], [0.9, 0.1], [0, 1], [0.5, 0.6]])
    >>> ranking_scores(vectors, torch.tensor([0, 0, 1, 1])).recall_at[1]
    0.75
    """
    blocks = rankings(queries, query_labels, gallery, gallery_labels)
    found = [_scores_of(ranking, ranks) for ranking in blocks if len(ranking.queries)]
    table = torch.cat([torch.zeros(0, len(ranks) + 4, dtype=torch.float64), *found])
    means: list[float | None] = table.mean(0).tolist() if len(table) else [None] * table.shape[1]
    *recall, average, r_precision, at_r, reciprocal = means
    return RankingScores(
        queries=len(table),
        lone_queries=len(queries) - len(table),
        recall_at=dict(zip(ranks, recall, strict=True)),
        mean_average_precision=average,
        r_precision=r_precision,
        map_at_r=at_r,
        mean_reciprocal_rank=reciprocal,
    )


def _scores_of(ranking: Ranking, ranks: Sequence[int]) -> Float64[Tensor, "Q M"]:
    """A row a query: Recall@K for each K, average precision, R-precision, average precision at R, reciprocal rank."""
    hits, relevant = ranking.hits, ranking.relevant.double()
    places = torch.arange(1, hits.shape[1] + 1, dtype=torch.float64)
    precision = hits.cumsum(1) / places * hits
    within = places <= relevant[:, None]
    columns = [
        *(hits[:, :rank].any(1).double() for rank in ranks),
        precision.sum(1) / relevant,
        (hits & within).sum(1) / relevant,
        (precision * within).sum(1) / relevant,
        1 / (hits.double().argmax(1) + 1),
    ]
    return torch.stack(columns, 1)
