"""How a pretrained backbone is evaluated: by the training images, whose labels it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zorki.contracts import Evaluation, Section
from zorki.types import Annotation, ClassInfo, Embedding

if TYPE_CHECKING:
    from zorki.tasks.pretraining.metric import RepresentationMetric, RepresentationResult


class PretrainingEvaluation(Evaluation[Annotation, Embedding]):
    """Nearest neighbors and a linear probe, where there are labels; how features lie, everywhere."""

    headline = ("knn", "linear_probe", "alignment", "uniformity")

    def metric(self, info: ClassInfo) -> RepresentationMetric:
        from zorki.tasks.pretraining.metric import RepresentationMetric

        return RepresentationMetric()

    def reference_split(self, split: str) -> str:
        """The training images vote."""
        return "train"

    def ensemble(self, predictions: Sequence[Embedding]) -> Embedding:
        """Vectors side by side, each of length 1: inner products are the mean of those of the runs."""
        import torch
        from torch.nn import functional

        joined = torch.cat([functional.normalize(prediction.vector, dim=0) for prediction in predictions])
        return Embedding(functional.normalize(joined, dim=0))

    def report_sections(self, result: RepresentationResult, info: ClassInfo) -> list[Section]:
        """What the scores mean, and how the features lie."""
        from zorki.tasks.pretraining.report import sections

        return sections(result)
