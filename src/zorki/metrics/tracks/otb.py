"""OTB's success and precision of one object's track (Wu, Lim and Yang, 2015: Object Tracking Benchmark, section 4.1).

By the rules of its authors' program, some of which the paper does not tell: an overlap must exceed its threshold, so
that the ground truth itself scores 20 of 21 thresholds, .952; a frame whose object is not annotated counts as a failure
of overlap and as a success of the center.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from zorki.ops.boxes import paired_iou

PRECISION_PIXELS = 20


@dataclass(frozen=True)
class OtbCurves:
    """Shares of frames.

    Attributes:
        success: with an IoU above 0, .05, ..., 1.
        precision: whose centers are 0, 1, ..., 50 pixels apart at most.
    """

    success: Float[Tensor, " 21"]
    precision: Float[Tensor, " 51"]

    @property
    def auc(self) -> float:
        """The mean of the success curve, which stands for the area under it."""
        return float(self.success.mean())

    @property
    def precision_at_20(self) -> float:
        """The share of frames whose center is 20 pixels off at most."""
        return float(self.precision[PRECISION_PIXELS])


def otb_curves(
    predicted: Float[Tensor, "T 4"], ground_truth: Float[Tensor, "T 4"], annotated: Bool[Tensor, " T"] | None = None
) -> OtbCurves:
    """The curves of one sequence, boxes xyxy in pixels; the first frame, which was given, counts as right.

    Args:
        annotated: whether the object is annotated in a frame; None: in all.

    >>> boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [2.0, 0.0, 6.0, 4.0]])
    >>> round(otb_curves(boxes, boxes).auc, 3)
    0.952
    """
    predicted, ground_truth = predicted.double(), ground_truth.double()
    predicted = torch.cat([ground_truth[:1], predicted[1:]])
    overlap = paired_iou(predicted, ground_truth)
    centers = (predicted[:, :2] + predicted[:, 2:] - ground_truth[:, :2] - ground_truth[:, 2:]) / 2
    distance = centers.square().sum(1).sqrt().mul(10_000).round() / 10_000  # as the authors' program rounds it
    if annotated is not None:
        overlap, distance = overlap.where(annotated, -1.0), distance.where(annotated, -1.0)
    thresholds = torch.arange(21, dtype=torch.float64) * 5 / 100
    pixels = torch.arange(51, dtype=torch.float64)
    return OtbCurves((overlap[:, None] > thresholds).double().mean(0), (distance[:, None] <= pixels).double().mean(0))


def mean_curves(sequences: Sequence[OtbCurves]) -> OtbCurves:
    """The mean over sequences, each as heavy as any other, however long it is."""
    return OtbCurves(
        torch.stack([one.success for one in sequences]).mean(0),
        torch.stack([one.precision for one in sequences]).mean(0),
    )
