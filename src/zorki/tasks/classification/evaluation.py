"""How labels are evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zorki.contracts import Evaluation, Section
from zorki.contracts.capabilities import LabelError
from zorki.types import ClassInfo, Label

if TYPE_CHECKING:
    from zorki.tasks.classification.metric import ClassificationMetric, ClassificationResult


class ClassificationEvaluation(Evaluation[Label, Label]):
    """Accuracy and its kin; the baseline is the most frequent class."""

    def metric(self, info: ClassInfo) -> ClassificationMetric:
        from zorki.tasks.classification.metric import ClassificationMetric

        return ClassificationMetric(info.names)

    def baseline(self, train: Sequence[Label], info: ClassInfo) -> Label | None:
        """The class that is most frequent in training, with the training shares as scores."""
        import torch

        if not train:
            return None
        counts = torch.bincount(torch.tensor([target.index for target in train]), minlength=len(info))
        return Label(int(counts.argmax()), counts / counts.sum())

    def ensemble(self, predictions: Sequence[Label]) -> Label:
        """The mean of the probabilities."""
        import torch

        scores = torch.stack([prediction.scores for prediction in predictions if prediction.scores is not None]).mean(0)
        return Label(int(scores.argmax()), scores)

    def error_score(self, prediction: Label, target: Label, info: ClassInfo) -> float:
        """The probability missing at the ground truth: near 1 is a confident error."""
        assert prediction.scores is not None
        return 1.0 - float(prediction.scores[target.index])

    def right(self, prediction: Label, target: Label, info: ClassInfo) -> bool:
        return prediction.index == target.index

    def label_errors(self, predictions: Sequence[Label], targets: Sequence[Label], info: ClassInfo) -> list[LabelError]:
        """By confident learning (Northcutt et al., 2021); scores are margins of probability."""
        import numpy as np

        from zorki.metrics.label_errors.confident_learning import confident_errors

        if not targets:
            return []
        scores = np.stack([np.asarray(prediction.scores, np.float64) for prediction in predictions])
        labels = np.array([target.index for target in targets])
        return [
            LabelError(one.row, "wrong class", one.margin, int(labels[one.row]), one.suggested)
            for one in confident_errors(scores, labels)
        ]

    def report_sections(self, result: ClassificationResult, info: ClassInfo) -> list[Section]:
        """Confusion matrix, per-class table, calibration."""
        from zorki.tasks.classification.report import sections

        return sections(result)
