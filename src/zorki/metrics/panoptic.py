"""Panoptic quality of label maps (Kirillov et al., 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from zorki.metrics.label_maps import LabelMaps


@dataclass(frozen=True)
class PanopticQuality:
    """PQ = SQ * RQ (equations 1 and 2); None for a class that is neither annotated nor predicted.

    Attributes:
        pq: panoptic quality.
        sq: segmentation quality, the mean IoU of true positives; 0 without any.
        rq: recognition quality, the F1 of finding objects.
    """

    pq: float | None = None
    sq: float | None = None
    rq: float | None = None


@dataclass(frozen=True)
class PanopticCounts:
    """What panoptic quality is made of, a class each, over the whole set; `iou` is the sum over true positives."""

    iou: Float64[ndarray, " K"]
    true_positives: Int64[ndarray, " K"]
    false_positives: Int64[ndarray, " K"]
    false_negatives: Int64[ndarray, " K"]

    def of_class(self, label: int) -> PanopticQuality:
        tp = int(self.true_positives[label])
        weight = tp + (int(self.false_positives[label]) + int(self.false_negatives[label])) / 2
        if not weight:
            return PanopticQuality()
        iou = float(self.iou[label])
        return PanopticQuality(iou / weight, iou / tp if tp else 0.0, tp / weight)

    def mean(self) -> PanopticQuality:
        """The means over the classes that are annotated or predicted; None where there is no such class."""
        rows = [row for label in range(len(self.iou)) if (row := self.of_class(label)).pq is not None]
        if not rows:
            return PanopticQuality()
        return PanopticQuality(
            *(float(np.mean(column)) for column in zip(*((r.pq, r.sq, r.rq) for r in rows), strict=True))
        )


def panoptic_counts(maps: LabelMaps, num_classes: int) -> PanopticCounts:
    """A detection is a true positive that overlaps an object of its class by more than .5."""
    found = maps.matched(0.5).ground_truth
    true = found >= 0
    # The IoU of each detection with the object that it found, among the pairs, which are sorted by both.
    width = max(1, len(maps.ground_truths))
    keys = maps.pairs.detection * width + maps.pairs.ground_truth
    iou = maps.pairs.iou[np.searchsorted(keys, np.flatnonzero(true) * width + found[true])]
    label = maps.detections.label
    tp = np.bincount(label[true], minlength=num_classes)
    return PanopticCounts(
        np.bincount(label[true], iou, num_classes).astype(np.float64),  # of whole numbers where nothing is right
        tp,
        np.bincount(label[~true], minlength=num_classes),
        np.bincount(maps.ground_truths.label, minlength=num_classes) - tp,
    )
