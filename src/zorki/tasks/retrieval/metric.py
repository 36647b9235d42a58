"""Scores of retrieval and of verification, each image against all others of its split."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from zorki.contracts import Metric, MetricResult
from zorki.metrics.retrieval.one_shot import one_shot_accuracy
from zorki.metrics.retrieval.ranking import ranking_scores
from zorki.metrics.retrieval.verification import ErrorTradeoff, all_pairs, error_tradeoff
from zorki.types import Embedding, Label, check_lengths

MAX_COLLAPSED_SPREAD = 0.05
COLLAPSED = "the embeddings have collapsed: all images get nearly the same; lower the learning rate, or mine less hard"
CURVE_POINTS = 200


@dataclass(frozen=True)
class CurvePoint:
    """A threshold of cosine similarity, and the shares of pairs that it decides wrongly."""

    threshold: float
    false_accept_rate: float
    false_reject_rate: float


@dataclass(frozen=True, kw_only=True)
class RetrievalResult(MetricResult):
    """Scores of embeddings, by cosine similarity. A query is left out of its own gallery.

    Attributes:
        recall_at_1, recall_at_5, recall_at_10: share of queries with one of their class among so many neighbors.
        map: mean average precision of the whole ranking.
        r_precision, map_at_r: see `zorki.metrics.retrieval.ranking.RankingScores`.
        one_shot_accuracy: share of images nearest to the one reference of their class; mean over 20 draws of these.
        auc: area under the ROC curve of all pairs, same class or not.
        equal_error_rate: where false accepts are as frequent as false rejects.
        verification_accuracy: share of pairs decided rightly at the best threshold, which is chosen on these pairs.
        tar_at_far_01, tar_at_far_001: true accept rate where at most 1 %, or .1 %, of different pairs are accepted.
        spread: mean distance of the embeddings from their mean, divided by what it is where they lie all around
            (1); near 0 all embeddings are alike: they have collapsed.
        collapsed: whether `spread` is below 0.05.
        queries: images that have another one of their class.
        lone_queries: images that have none, which ask nothing.
        classes: that occur.
        det_curve: a few thresholds, rising.
    """

    recall_at_1: float | None = None
    recall_at_5: float | None = None
    recall_at_10: float | None = None
    map: float | None = None
    r_precision: float | None = None
    map_at_r: float | None = None
    one_shot_accuracy: float | None = None
    auc: float | None = None
    equal_error_rate: float | None = None
    verification_accuracy: float | None = None
    tar_at_far_01: float | None = None
    tar_at_far_001: float | None = None
    spread: float | None = None
    collapsed: bool = False
    queries: int = 0
    lone_queries: int = 0
    classes: int = 0
    det_curve: tuple[CurvePoint, ...] = ()

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """None: the curve is drawn, in the report."""
        return {}

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n{COLLAPSED}" if self.collapsed else text


class RetrievalMetric(Metric[Embedding, Label]):
    """Keeps all embeddings: 4 bytes for each of their numbers."""

    compares_images = True  # each is a query among all the others

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.vectors: list[torch.Tensor] = []
        self.labels: list[int] = []

    def update(self, predictions: Sequence[Embedding], targets: Sequence[Label]) -> None:
        check_lengths(predictions=predictions, targets=targets)
        self.vectors += [prediction.vector.float().cpu() for prediction in predictions]
        self.labels += [target.index for target in targets]

    def merge(self, other: RetrievalMetric) -> None:
        self.vectors += other.vectors
        self.labels += other.labels

    def compute(self) -> RetrievalResult:
        """None where nothing can be asked: a single image, or a class of one alone."""
        if not self.labels:
            return RetrievalResult(count=0)
        vectors = torch.nn.functional.normalize(torch.stack(self.vectors))
        labels = torch.tensor(self.labels)
        ranking = ranking_scores(vectors, labels)
        spread = float((vectors - vectors.mean(0)).square().sum(1).mean().sqrt())
        result = RetrievalResult(
            count=len(labels),
            recall_at_1=ranking.recall_at[1],
            recall_at_5=ranking.recall_at[5],
            recall_at_10=ranking.recall_at[10],
            map=ranking.mean_average_precision,
            r_precision=ranking.r_precision,
            map_at_r=ranking.map_at_r,
            one_shot_accuracy=one_shot_accuracy(vectors, labels),
            spread=spread,
            collapsed=len(labels) > 1 and spread < MAX_COLLAPSED_SPREAD,
            queries=ranking.queries,
            lone_queries=ranking.lone_queries,
            classes=len(set(self.labels)),
        )
        tradeoff = error_tradeoff(*all_pairs(vectors, labels))
        return result if tradeoff is None else _with_verification(result, tradeoff)


def _with_verification(result: RetrievalResult, tradeoff: ErrorTradeoff) -> RetrievalResult:
    return dataclasses.replace(
        result,
        auc=tradeoff.auc(),
        equal_error_rate=tradeoff.equal_error_rate(),
        verification_accuracy=tradeoff.best_accuracy()[0],
        tar_at_far_01=tradeoff.at_false_accept_rate(0.01).true_accept_rate,
        tar_at_far_001=tradeoff.at_false_accept_rate(0.001).true_accept_rate,
        det_curve=_curve(tradeoff),
    )


def _curve(tradeoff: ErrorTradeoff) -> tuple[CurvePoint, ...]:
    """Some points, as many as are drawn, evenly among the thresholds."""
    count = len(tradeoff.thresholds)
    places = torch.linspace(count - 1, 1, min(CURVE_POINTS, count - 1)).round().long()
    columns = (tradeoff.thresholds, tradeoff.false_accept_rate, tradeoff.false_reject_rate)
    return tuple(CurvePoint(*row) for row in zip(*(column[places].tolist() for column in columns), strict=True))
