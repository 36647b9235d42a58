"""Figures for semantic segmentation: one confusion matrix of pixels over the whole set, and the edges of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from zorki.contracts import Metric
from zorki.metrics.boundary_f1 import boundary_f1
from zorki.metrics.confusion import confusion
from zorki.types import Mask, check_lengths


class SegmentationMetric(Metric[Mask, Mask]):
    """Mean IoU, pixel accuracy, Dice and boundary F1.

    Every judged pixel of the set is counted once in one matrix (rows: truth, columns: answers) by `bincount`, so that
    figures are those of the whole set, not means over images, and processes agree by adding. Edges are judged
    image by image, as their authors do.

    Args:
        class_names: of the labels 0..K-1.
        edges: judge edges too. They cost about as much again as reading the masks; without them `boundary_f1` is None.
    """

    def __init__(self, class_names: Sequence[str], *, edges: bool = True) -> None:
        self.class_names = list(class_names)
        self.edges = edges
        self.reset()

    def reset(self) -> None:
        num_classes = len(self.class_names)
        self.count = 0
        self.confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        self.ignored = 0
        # Of edges: the sum of F1 and the number of images, for each class, and for images as a whole.
        self.edge_sums = torch.zeros(2, num_classes, dtype=torch.float64)
        self.edge_means = torch.zeros(2, dtype=torch.float64)

    def update(self, predictions: Sequence[Mask], targets: Sequence[Mask]) -> None:
        """Counts answers against truth. An answer of a single pixel stands for a whole image of its class.

        Raises:
            ValueError: an answer has another size than its truth, or a label is outside 0..K-1.
        """
        check_lengths(predictions=predictions, targets=targets)
        for prediction, target in zip(predictions, targets, strict=True):
            answer, truth, judged = aligned(prediction, target)
            table = confusion(answer, truth, judged, len(self.class_names))
            self.confusion += table
            self.ignored += truth.numel() - int(table.sum())
            self.count += 1
            if self.edges:
                self._count_edges(answer, truth, judged)

    def _count_edges(self, answer: Int64[Tensor, "H W"], truth: Int64[Tensor, "H W"], judged: Tensor) -> None:
        f1 = torch.from_numpy(boundary_f1(answer.numpy(), truth.numpy(), judged.numpy(), len(self.class_names)))
        known = ~f1.isnan()
        if bool(known.any()):
            self.edge_sums += torch.stack([f1.nan_to_num(0), known.double()])
            self.edge_means += torch.tensor([float(f1[known].mean()), 1.0], dtype=torch.float64)

    def merge(self, other: SegmentationMetric) -> None:
        self.count += other.count
        self.confusion += other.confusion
        self.ignored += other.ignored
        self.edge_sums += other.edge_sums
        self.edge_means += other.edge_means

    def compute(self) -> dict[str, Any]:
        """Figures by name; shares lie in 0..1.

        Classes that are in no truth and in no answer have None, are averaged nowhere, and stand under "absent". All
        shares are 0 where no pixel was judged.
        """
        if self.count == 0:
            return {"count": 0}
        table = self.confusion.double()
        hits, truths, answers = table.diagonal(), table.sum(1), table.sum(0)
        union = truths + answers - hits
        there, total = union > 0, truths.sum().clamp_min(1)
        iou, dice = hits / union.clamp_min(1), 2 * hits / (truths + answers).clamp_min(1)
        recall, precision = hits / truths.clamp_min(1), hits / answers.clamp_min(1)
        figures: dict[str, Any] = {
            "count": self.count,
            "miou": _mean(iou, there),
            "pixel_accuracy": float(hits.sum() / total),
            "mean_accuracy": _mean(recall, truths > 0),
            "frequency_weighted_iou": float((truths * iou).sum() / total),
            "dice": _mean(dice, there),
            "boundary_f1": float(self.edge_means[0] / self.edge_means[1]) if self.edge_means[1] else None,
        }
        if len(self.class_names) == 2:
            figures["foreground_dice"] = float(dice[1])
        columns = {"iou": iou, "dice": dice, "precision": precision, "recall": recall}
        known = {"iou": there, "dice": there, "precision": answers > 0, "recall": truths > 0}
        edges, images = self.edge_sums
        figures["per_class"] = {
            name: {
                "share": float(truths[k] / total),
                **{column: float(values[k]) if known[column][k] else None for column, values in columns.items()},
                "boundary_f1": float(edges[k] / images[k]) if images[k] else None,
            }
            for k, name in enumerate(self.class_names)
        }
        figures["absent"] = [name for k, name in enumerate(self.class_names) if not there[k]]
        figures["judged_pixels"], figures["ignored_pixels"] = int(truths.sum()), self.ignored
        figures["confusion"] = self.confusion.tolist()
        return figures


def aligned(prediction: Mask, target: Mask) -> tuple[Int64[Tensor, "H W"], Int64[Tensor, "H W"], Bool[Tensor, "H W"]]:
    """The labels of an answer and of its truth, and which pixels are judged; all on the CPU.

    Raises:
        ValueError: their sizes differ, and the answer is not a single pixel.
    """
    truth, answer = target.classes.to("cpu", torch.int64), prediction.classes.to("cpu", torch.int64)
    if answer.shape == (1, 1):
        answer = answer.expand_as(truth)
    if answer.shape != truth.shape:
        sizes = [f"{mask.shape[0]}x{mask.shape[1]}" for mask in (answer, truth)]
        raise ValueError(f"an answer of {sizes[0]} pixels cannot be judged by a truth of {sizes[1]}")
    return answer, truth, truth != target.ignore


def _mean(values: Float64[Tensor, " K"], which: Bool[Tensor, " K"]) -> float:
    return float(values[which].mean()) if bool(which.any()) else 0.0
