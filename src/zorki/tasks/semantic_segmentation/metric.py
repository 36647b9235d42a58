"""Scores of semantic segmentation: one confusion matrix of pixels over the whole set, and the edges of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zorki.contracts import Metric, MetricResult
from zorki.metrics.boundary_f1 import boundary_f1
from zorki.metrics.confusion import ConfusionMatrix, confusion_matrix, mean_of
from zorki.types import Mask, check_lengths
from zorki.types.arrays import array_of

if TYPE_CHECKING:
    from jaxtyping import Bool, Int64
    from numpy import ndarray


@dataclass(frozen=True)
class SegmentationScores:
    """One class: its share of the valid pixels, and scores in 0..1; None where their denominator is 0."""

    class_name: str
    share: float
    iou: float | None
    dice: float | None
    precision: float | None
    recall: float | None
    boundary_f1: float | None


@dataclass(frozen=True, kw_only=True)
class SegmentationResult(MetricResult):
    """Scores of a class for every pixel, over all valid pixels of the set.

    Classes that are neither in the ground truth nor predicted are in no mean. All shares are 0 where no pixel is valid.

    Attributes:
        miou: mean intersection over union of classes.
        pixel_accuracy: share of valid pixels whose class is right.
        mean_accuracy: mean recall of the classes in the ground truth.
        frequency_weighted_iou: mean IoU, each class weighted by its share of the pixels.
        dice: mean Dice coefficient of classes.
        boundary_f1: mean over images of the boundary F1 (Csurka et al., 2013); None where no image has an edge.
        foreground_dice: Dice of the second of two classes; None where there are not two.
        per_class: in the order of labels.
        absent_classes: class names that are neither in the ground truth nor predicted.
        valid_pixels, ignored_pixels: those that were counted, and those of the ignore index.
        confusion_matrix: pixels; rows are ground truth, columns predictions.
    """

    miou: float | None = None
    pixel_accuracy: float | None = None
    mean_accuracy: float | None = None
    frequency_weighted_iou: float | None = None
    dice: float | None = None
    boundary_f1: float | None = None
    foreground_dice: float | None = None
    per_class: tuple[SegmentationScores, ...] = ()
    absent_classes: tuple[str, ...] = ()
    valid_pixels: int = 0
    ignored_pixels: int = 0
    confusion_matrix: tuple[tuple[int, ...], ...] = ()

    def __str__(self) -> str:
        """As mmsegmentation prints it: percentages of each class in a table, and of all."""
        names = ["Class", *(row.class_name for row in self.per_class)]
        columns = [names]
        for title, values in (
            ("IoU", [row.iou for row in self.per_class]),
            ("Acc", [row.recall for row in self.per_class]),
            ("Dice", [row.dice for row in self.per_class]),
        ):
            columns.append([title, *map(_percent, values)])
        widths = [max(map(len, column)) for column in columns]
        rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
        head, *rows = (
            "|" + "|".join(f" {cell:^{width}} " for cell, width in zip(cells, widths, strict=True)) + "|"
            for cells in zip(*columns, strict=True)
        )
        means = {"aAcc": self.pixel_accuracy, "mIoU": self.miou, "mAcc": self.mean_accuracy, "mDice": self.dice}
        summary = "  ".join(f"{name}: {_percent(value)}" for name, value in means.items())
        return "\n".join([rule, head, rule, *rows, rule, summary])


def _percent(value: float | None) -> str:
    return "nan" if value is None else f"{100 * value:.2f}"


class SegmentationMetric(Metric[Mask, Mask]):
    """Mean IoU, pixel accuracy, Dice and boundary F1.

    Every valid pixel of the set is counted once in one confusion matrix, so that scores are those of the whole set,
    not means over images, and processes agree by adding. Edges are compared image by image, as their authors do.

    Args:
        class_names: of the labels 0..K-1.
        edges: compare edges too. They cost about as much again as reading masks; without them `boundary_f1` is None.
    """

    takes_arrays = True

    def __init__(self, class_names: Sequence[str], *, edges: bool = True) -> None:
        self.class_names = list(class_names)
        self.edges = edges
        self.reset()

    def reset(self) -> None:
        num_classes = len(self.class_names)
        self.count = 0
        self.confusion = np.zeros((num_classes, num_classes), np.int64)
        self.ignored = 0
        # Of edges: the sum of F1 and the number of images, for each class, and for images as a whole.
        self.edge_sums = np.zeros((2, num_classes))
        self.edge_means = np.zeros(2)

    def update(self, predictions: Sequence[Mask], targets: Sequence[Mask]) -> None:
        """Counts predictions against ground truth. A prediction of one pixel stands for a whole image of its class.

        Raises:
            ValueError: a prediction has another size than its ground truth, or a label is outside 0..K-1.
        """
        check_lengths(predictions=predictions, targets=targets)
        for prediction, target in zip(predictions, targets, strict=True):
            labels, ground_truth, valid = aligned(prediction, target)
            counts = confusion_matrix(labels, ground_truth, valid, len(self.class_names)).counts
            self.confusion += counts
            self.ignored += ground_truth.size - int(counts.sum())
            self.count += 1
            if self.edges:
                self._count_edges(labels, ground_truth, valid)

    def _count_edges(
        self, labels: Int64[ndarray, "H W"], ground_truth: Int64[ndarray, "H W"], valid: Bool[ndarray, "H W"]
    ) -> None:
        f1 = boundary_f1(labels, ground_truth, valid, len(self.class_names))
        is_defined = ~np.isnan(f1)
        if bool(is_defined.any()):
            self.edge_sums += np.stack([np.nan_to_num(f1), is_defined.astype(np.float64)])
            self.edge_means += np.array([float(f1[is_defined].mean()), 1.0])

    def merge(self, other: SegmentationMetric) -> None:
        self.count += other.count
        self.confusion += other.confusion
        self.ignored += other.ignored
        self.edge_sums += other.edge_sums
        self.edge_means += other.edge_means

    def compute(self) -> SegmentationResult:
        """Scores of all pixels counted so far; of no image all are None."""
        if self.count == 0:
            return SegmentationResult(count=0)
        matrix = ConfusionMatrix(self.confusion)
        seen, occurs, predicted = matrix.seen, matrix.ground_truths > 0, matrix.predictions > 0
        iou, dice, recall, precision = matrix.iou(), matrix.f1(), matrix.recall(), matrix.precision()
        share = matrix.ground_truths / max(1, matrix.ground_truths.sum())
        edges, images = self.edge_sums
        return SegmentationResult(
            count=self.count,
            miou=mean_of(iou, seen),
            pixel_accuracy=matrix.accuracy(),
            mean_accuracy=mean_of(recall, occurs),
            frequency_weighted_iou=matrix.frequency_weighted_iou(),
            dice=mean_of(dice, seen),
            boundary_f1=float(self.edge_means[0] / self.edge_means[1]) if self.edge_means[1] else None,
            foreground_dice=float(dice[1]) if len(self.class_names) == 2 else None,
            per_class=tuple(
                SegmentationScores(
                    class_name=name,
                    share=float(share[k]),
                    iou=float(iou[k]) if seen[k] else None,
                    dice=float(dice[k]) if seen[k] else None,
                    precision=float(precision[k]) if predicted[k] else None,
                    recall=float(recall[k]) if occurs[k] else None,
                    boundary_f1=float(edges[k] / images[k]) if images[k] else None,
                )
                for k, name in enumerate(self.class_names)
            ),
            absent_classes=tuple(name for k, name in enumerate(self.class_names) if not seen[k]),
            valid_pixels=int(matrix.counts.sum()),
            ignored_pixels=self.ignored,
            confusion_matrix=tuple(tuple(row) for row in self.confusion.tolist()),
        )


def aligned(
    prediction: Mask, target: Mask
) -> tuple[Int64[ndarray, "H W"], Int64[ndarray, "H W"], Bool[ndarray, "H W"]]:
    """The labels of a prediction and of its ground truth, and which pixels are valid; all in numpy.

    Raises:
        ValueError: their sizes differ, and the prediction is not a single pixel.
    """
    ground_truth, labels = (array_of(mask.classes).astype(np.int64, copy=False) for mask in (target, prediction))
    if labels.shape == (1, 1):
        labels = np.broadcast_to(labels, ground_truth.shape)
    if labels.shape != ground_truth.shape:
        sizes = [f"{mask.shape[0]}x{mask.shape[1]}" for mask in (labels, ground_truth)]
        raise ValueError(f"a prediction of {sizes[0]} pixels cannot be compared with a ground truth of {sizes[1]}")
    return labels, ground_truth, ground_truth != target.ignore
