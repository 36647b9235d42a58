"""Figures for classification: how often right, for whom, and how well the network knows how sure it may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from zorki.contracts import Metric
from zorki.types import Label, check_lengths

CALIBRATION_BINS = 15  # Guo et al., 2017, "On Calibration of Modern Neural Networks", section 2


class ClassificationMetric(Metric[Label, Label]):
    """Top-1, top-5, per-class precision, recall and F1, confusion matrix, calibration error, log loss.

    Everything is counted in one confusion matrix (rows: truth, columns: answers) and three rows of bins, so a batch
    costs two `bincount`s, and processes agree by adding.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)
        self.reset()

    def reset(self) -> None:
        num_classes = len(self.class_names)
        self.confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        self.top5 = 0
        self.log_loss = 0.0
        self.bins = torch.zeros(3, CALIBRATION_BINS, dtype=torch.float64)  # count, sum of confidence, number right

    def update(self, predictions: Sequence[Label], targets: Sequence[Label]) -> None:
        """Counts answers against truth. Raises ValueError for a prediction without scores."""
        check_lengths(predictions=predictions, targets=targets)
        if not predictions:
            return
        scores = [prediction.scores for prediction in predictions]
        if any(score is None for score in scores):
            raise ValueError("a prediction has no scores; expected a probability for each class")
        self._count(torch.stack(scores).float().cpu(), torch.tensor([target.index for target in targets]))  # type: ignore[arg-type]

    def _count(self, scores: Float[Tensor, "N K"], truth: Int[Tensor, " N"]) -> None:
        num_classes = len(self.class_names)
        confidence, answer = scores.max(1)
        right = (answer == truth).double()
        self.confusion += torch.bincount(truth * num_classes + answer, minlength=num_classes**2).view_as(self.confusion)
        # Rank by counting larger scores, ties to the lower index as argmax breaks them: no sort of 1,000 columns.
        own = scores.gather(1, truth[:, None])
        earlier = torch.arange(num_classes) < truth[:, None]
        rank = (~(scores <= own) | ((scores == own) & earlier)).sum(1)  # what is no number counts as larger
        self.top5 += int((rank < 5).sum())
        self.log_loss -= float(own.double().clamp_min(1e-12).log().sum())
        # Bins are (lower, upper]: a confidence of exactly 1 belongs to the last.
        index = (confidence.double() * CALIBRATION_BINS).ceil().long().sub(1).clamp(0, CALIBRATION_BINS - 1)
        for row, weight in enumerate((torch.ones_like(right), confidence.double(), right)):
            self.bins[row] += torch.bincount(index, weight, minlength=CALIBRATION_BINS)

    def merge(self, other: ClassificationMetric) -> None:
        self.confusion += other.confusion
        self.top5 += other.top5
        self.log_loss += other.log_loss
        self.bins += other.bins

    def compute(self) -> dict[str, Any]:
        """Figures by name; shares lie in 0..1. Classes that do not occur have a recall of None and are not averaged."""
        count = int(self.confusion.sum())
        if count == 0:
            return {"count": 0}
        hits = self.confusion.diagonal().double()
        truths, answers = self.confusion.sum(1).double(), self.confusion.sum(0).double()
        precision, recall = hits / answers.clamp_min(1), hits / truths.clamp_min(1)
        f1 = 2 * hits / (truths + answers).clamp_min(1)
        seen = truths > 0
        bin_count, confidence, right = self.bins
        return {
            "count": count,
            "top1": float(hits.sum() / count),
            "top5": self.top5 / count,
            "balanced_accuracy": float(recall[seen].mean()),
            "macro_f1": float(f1[seen].mean()),
            "log_loss": self.log_loss / count,
            "calibration_error": float((confidence - right).abs().sum() / count),
            "right": int(hits.sum()),
            "per_class": {
                name: {
                    "count": int(truths[k]),
                    "precision": float(precision[k]) if answers[k] else None,
                    "recall": float(recall[k]) if seen[k] else None,
                    "f1": float(f1[k]) if seen[k] or answers[k] else None,
                }
                for k, name in enumerate(self.class_names)
            },
            "confusion": self.confusion.tolist(),
            "reliability": [
                {"count": int(n), "confidence": float(c / n) if n else None, "accuracy": float(r / n) if n else None}
                for n, c, r in zip(bin_count, confidence, right, strict=True)
            ],
        }
