"""Confusion matrices: how often each class was taken for which, and the scores that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import Bool, Float64, Int64
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """Counts of samples or pixels; rows are ground truth, columns are predictions.

    Scores of classes are tensors (K,), and 0 where their denominator is 0: means go over the classes that are there.
    """

    counts: Int64[Tensor, "K K"]

    @property
    def true_positives(self) -> Float64[Tensor, " K"]:
        return self.counts.diagonal().double()

    @property
    def ground_truths(self) -> Float64[Tensor, " K"]:
        """How often each class is there."""
        return self.counts.sum(1).double()

    @property
    def predictions(self) -> Float64[Tensor, " K"]:
        """How often each class was predicted."""
        return self.counts.sum(0).double()

    @property
    def seen(self) -> Bool[Tensor, " K"]:
        """Classes that are in the ground truth or were predicted."""
        return self.ground_truths + self.predictions > 0

    def accuracy(self) -> float:
        """The share that was predicted right; 0 where nothing was counted."""
        return float(self.true_positives.sum() / self.ground_truths.sum().clamp_min(1))

    def precision(self) -> Float64[Tensor, " K"]:
        return self.true_positives / self.predictions.clamp_min(1)

    def recall(self) -> Float64[Tensor, " K"]:
        return self.true_positives / self.ground_truths.clamp_min(1)

    def f1(self) -> Float64[Tensor, " K"]:
        """2 TP / (2 TP + FP + FN): the harmonic mean of precision and recall, which is the Dice coefficient."""
        return 2 * self.true_positives / (self.ground_truths + self.predictions).clamp_min(1)

    def iou(self) -> Float64[Tensor, " K"]:
        """TP / (TP + FP + FN), the Jaccard index."""
        union = self.ground_truths + self.predictions - self.true_positives
        return self.true_positives / union.clamp_min(1)

    def mean_iou(self) -> float:
        """The mean IoU over the classes seen; 1 where there are none."""
        return mean_of(self.iou(), self.seen) if bool(self.seen.any()) else 1.0

    def frequency_weighted_iou(self) -> float:
        """The mean IoU, each class weighted by its share of the ground truth."""
        return float((self.ground_truths * self.iou()).sum() / self.ground_truths.sum().clamp_min(1))


def mean_of(scores: Float64[Tensor, " K"], which: Bool[Tensor, " K"]) -> float:
    """The mean over some classes; 0 where there are none."""
    return float(scores[which].mean()) if bool(which.any()) else 0.0


def confusion_matrix(
    prediction: Int64[Tensor, "*places"],
    ground_truth: Int64[Tensor, "*places"],
    valid: Bool[Tensor, "*places"],
    num_classes: int,
) -> ConfusionMatrix:
    """Counts labels place by place, such as the pixels of an image.

    Args:
        valid: what is counted; labels elsewhere, such as those of the ignore index, are not read.

    Raises:
        ValueError: a valid place has a label outside 0..K-1.
    """
    import torch

    # What is not valid counts as a prediction 0 for a class of its own, the last row, which is cut off.
    prediction, ground_truth = prediction.where(valid, 0), ground_truth.where(valid, num_classes)
    for labels, most, whose in (
        (prediction, num_classes - 1, "a prediction"),
        (ground_truth, num_classes, "the ground truth"),
    ):
        low, high = (int(bound) for bound in labels.aminmax()) if labels.numel() else (0, 0)
        if low < 0 or high > most:
            raise ValueError(f"{whose} has a label {low if low < 0 else high}; expected 0 to {num_classes - 1}")
    if bool((ground_truth == num_classes).logical_and_(valid).any()):
        raise ValueError(f"the ground truth has a label {num_classes}; expected 0 to {num_classes - 1}")
    places = (ground_truth * num_classes).add_(prediction).flatten()
    counts = torch.bincount(places, minlength=num_classes * (num_classes + 1))
    return ConfusionMatrix(counts.view(-1, num_classes)[:num_classes])
