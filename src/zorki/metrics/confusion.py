"""Confusion matrices: how often each class was taken for which, and the scores that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float64, Int64
    from numpy import ndarray


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """Counts of samples or pixels; rows are ground truth, columns are predictions.

    Scores of classes are arrays (K,), and 0 where their denominator is 0: means go over the classes that are there.
    """

    counts: Int64[ndarray, "K K"]

    @property
    def true_positives(self) -> Float64[ndarray, " K"]:
        return self.counts.diagonal().astype(np.float64)

    @property
    def ground_truths(self) -> Float64[ndarray, " K"]:
        """How often each class is there."""
        return self.counts.sum(1).astype(np.float64)

    @property
    def predictions(self) -> Float64[ndarray, " K"]:
        """How often each class was predicted."""
        return self.counts.sum(0).astype(np.float64)

    @property
    def seen(self) -> Bool[ndarray, " K"]:
        """Classes that are in the ground truth or were predicted."""
        return self.ground_truths + self.predictions > 0

    def accuracy(self) -> float:
        """The share that was predicted right; 0 where nothing was counted."""
        return float(self.true_positives.sum() / max(1, self.ground_truths.sum()))

    def precision(self) -> Float64[ndarray, " K"]:
        return self.true_positives / np.maximum(self.predictions, 1)

    def recall(self) -> Float64[ndarray, " K"]:
        return self.true_positives / np.maximum(self.ground_truths, 1)

    def f1(self) -> Float64[ndarray, " K"]:
        """2 TP / (2 TP + FP + FN): the harmonic mean of precision and recall, which is the Dice coefficient."""
        return 2 * self.true_positives / np.maximum(self.ground_truths + self.predictions, 1)

    def iou(self) -> Float64[ndarray, " K"]:
        """TP / (TP + FP + FN), the Jaccard index."""
        union = self.ground_truths + self.predictions - self.true_positives
        return self.true_positives / np.maximum(union, 1)

    def mean_iou(self) -> float:
        """The mean IoU over the classes seen; 1 where there are none."""
        return mean_of(self.iou(), self.seen) if bool(self.seen.any()) else 1.0

    def frequency_weighted_iou(self) -> float:
        """The mean IoU, each class weighted by its share of the ground truth."""
        return float((self.ground_truths * self.iou()).sum() / max(1, self.ground_truths.sum()))


def mean_of(scores: Float64[ndarray, " K"], which: Bool[ndarray, " K"]) -> float:
    """The mean over some classes; 0 where there are none."""
    return float(scores[which].mean()) if bool(which.any()) else 0.0


def confusion_matrix(
    prediction: Int64[ndarray, "*places"],
    ground_truth: Int64[ndarray, "*places"],
    valid: Bool[ndarray, "*places"],
    num_classes: int,
) -> ConfusionMatrix:
    """Counts labels place by place, such as the pixels of an image.

    Args:
        valid: what is counted; labels elsewhere, such as those of the ignore index, are not read.

    Raises:
        ValueError: a valid place has a label outside 0..K-1.
    """
    # What is not valid counts as a prediction 0 for a class of its own, the last row, which is cut off.
    prediction, ground_truth = np.where(valid, prediction, 0), np.where(valid, ground_truth, num_classes)
    for labels, most, whose in (
        (prediction, num_classes - 1, "a prediction"),
        (ground_truth, num_classes, "the ground truth"),
    ):
        low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
        if low < 0 or high > most:
            raise ValueError(f"{whose} has a label {low if low < 0 else high}; expected 0 to {num_classes - 1}")
    if bool((valid & (ground_truth == num_classes)).any()):
        raise ValueError(f"the ground truth has a label {num_classes}; expected 0 to {num_classes - 1}")
    places = ground_truth * num_classes
    places += prediction
    counts = np.bincount(places.ravel(), minlength=num_classes * (num_classes + 1))
    return ConfusionMatrix(counts.reshape(-1, num_classes)[:num_classes])
