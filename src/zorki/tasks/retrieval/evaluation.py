"""How embeddings are evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zorki.contracts import Evaluation, Section
from zorki.types import ClassInfo, Embedding, Label

if TYPE_CHECKING:
    from zorki.tasks.retrieval.metric import RetrievalMetric, RetrievalResult


class RetrievalEvaluation(Evaluation[Label, Embedding]):
    """Each image in turn is the query, and all others of its split are the gallery."""

    headline = ("map_at_r", "recall_at_1", "one_shot_accuracy", "auc")

    def metric(self, info: ClassInfo) -> RetrievalMetric:
        from zorki.tasks.retrieval.metric import RetrievalMetric

        return RetrievalMetric()

    def ensemble(self, predictions: Sequence[Embedding]) -> Embedding:
        """Vectors side by side, each of length 1: inner products are the mean of those of the runs."""
        import torch
        from torch.nn import functional

        joined = torch.cat([functional.normalize(prediction.vector, dim=0) for prediction in predictions])
        return Embedding(functional.normalize(joined, dim=0))

    def report_sections(self, result: RetrievalResult, info: ClassInfo) -> list[Section]:
        """Scores of the ranking, and the trade-off of false accepts and false rejects."""
        from zorki.tasks.retrieval.report import sections

        return sections(result)
