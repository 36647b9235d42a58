"""Average precision as Pascal VOC counts it, over eleven recalls or as the area under the curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from zorki.metrics.matching import Pairs, overlapping_pairs
from zorki.metrics.tables import DetectionTable, GroundTruthTable, rows_by_class


@dataclass(frozen=True)
class VocSummary:
    """Means over the classes that have an object; None where there is none.

    Attributes:
        voc_ap: area under the curve (VOC from 2010 on).
        voc_ap_11: mean of precisions at eleven recalls (VOC 2007).
    """

    voc_ap: float | None = None
    voc_ap_11: float | None = None


@dataclass(frozen=True)
class VocCurve:
    """Precision and recall of one class after each detection, best scores first; empty where there is no object."""

    precision: Float64[ndarray, " N"]
    recall: Float64[ndarray, " N"]

    def area(self) -> float:
        """The area under the curve, with the largest precision at each recall or a higher one (VOC from 2010 on)."""
        if not len(self.recall):
            return 0.0
        steps = np.diff(self.recall, prepend=0.0)
        return float((steps * self._envelope()).sum())

    def eleven_points(self) -> float:
        """The mean of the largest precisions at recalls of at least 0, .1, ..., 1 (VOC 2007; Everingham et al., 2010).

        Recalls are compared as plain floats with those of `numpy.linspace`, as in the tools in use: a recall of 3 / 10
        falls short of 3 * .1.
        """
        place = np.searchsorted(self.recall, np.linspace(0, 1, 11), "left")
        precision = np.append(self._envelope(), 0.0)
        return float(precision[place].mean())

    def _envelope(self) -> ndarray:
        return np.maximum.accumulate(self.precision[::-1])[::-1]


def voc_curves(
    ground_truths: GroundTruthTable,
    detections: DetectionTable,
    num_classes: int,
    *,
    min_iou: float = 0.5,
    inclusive: bool = False,
    pairs: Pairs | None = None,
) -> list[VocCurve | None]:
    """The curve of each class, None for classes without an object (Everingham et al., 2010, section 4.2).

    Best scores first, each detection is matched with the object of its class that it overlaps most, free or not: the
    first one is a true positive, all others are false ones. Detections on difficult objects are ignored, and so are
    those on crowds that overlap no object enough: a crowd is no rival of an object in its midst, though it covers a
    detection whole.

    Args:
        inclusive: of `overlapping_pairs`; True reproduces the scores of VOC's devkit and its descendants.
        pairs: what `overlapping_pairs` gave for a smaller or equal `min_iou`, if it is at hand.
    """
    if pairs is None:
        pairs = overlapping_pairs(ground_truths, detections, min_iou, inclusive=inclusive)
    same = detections.label[pairs.detection] == ground_truths.label[pairs.ground_truth]
    pairs = pairs.where((pairs.iou >= min_iou) & same)
    nearest = _most_overlapped(pairs, ground_truths.crowd, len(detections))
    order = np.argsort(-detections.score, kind="stable")
    nearest, label = nearest[order], detections.label[order]
    true = np.zeros(len(nearest), bool)
    places = np.flatnonzero(nearest >= 0)
    true[places[np.unique(nearest[places], return_index=True)[1]]] = True
    kept = (nearest < 0) | ground_truths.positive[nearest] if len(ground_truths) else np.ones(len(nearest), bool)
    true = true[kept]
    positives = np.bincount(ground_truths.label[ground_truths.positive], minlength=num_classes)
    return [
        _curve(true[of_class], int(positives[k])) if positives[k] else None
        for k, of_class in enumerate(rows_by_class(label[kept], num_classes))
    ]


def voc_summary(curves: list[VocCurve | None]) -> VocSummary:
    """The means over the classes that have an object."""
    present = [curve for curve in curves if curve is not None]
    if not present:
        return VocSummary()
    return VocSummary(
        voc_ap=float(np.mean([curve.area() for curve in present])),
        voc_ap_11=float(np.mean([curve.eleven_points() for curve in present])),
    )


def _most_overlapped(pairs: Pairs, crowd: ndarray, count: int) -> Int64[ndarray, " count"]:
    """The object that each detection overlaps most, the first of equals, crowds last; -1 where there is none."""
    sort = np.lexsort((pairs.ground_truth, -pairs.iou, crowd[pairs.ground_truth], pairs.detection))
    detection, first = np.unique(pairs.detection[sort], return_index=True)
    nearest = np.full(count, -1, np.int64)
    nearest[detection] = pairs.ground_truth[sort][first]
    return nearest


def _curve(true: ndarray, positives: int) -> VocCurve:
    found = true.cumsum()
    return VocCurve(found / np.arange(1, len(true) + 1), found / positives)
