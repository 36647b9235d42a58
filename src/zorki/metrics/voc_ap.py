"""Average precision as Pascal VOC counts it, over eleven recalls or over the whole area under the curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from zorki.metrics.matching import Pairs, overlapping
from zorki.metrics.tables import DetectionTable, GroundTruthTable, rows_by_class


@dataclass(frozen=True)
class VocCurve:
    """Precision and recall of one class after each answer, best scores first; empty where there is no object."""

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
    truths: GroundTruthTable,
    detections: DetectionTable,
    num_classes: int,
    *,
    min_iou: float = 0.5,
    inclusive: bool = False,
    pairs: Pairs | None = None,
) -> list[VocCurve | None]:
    """The curve of each class, None for classes without an object (Everingham et al., 2010, section 4.2).

    Best scores first, each detection asks for the object of its class that it overlaps most, free or not: the first
    to come finds it, all others are wrong. Answers on difficult objects count neither way, nor do those on crowds that
    overlap no object enough: a crowd is no rival of an object in its midst, though it covers an answer whole.

    Args:
        inclusive: of `overlapping`; True reproduces the figures of VOC's devkit and its descendants.
        pairs: what `overlapping` gave for a smaller or equal `min_iou`, if it is at hand.
    """
    pairs = overlapping(truths, detections, min_iou, inclusive=inclusive) if pairs is None else pairs
    pairs = pairs.where((pairs.iou >= min_iou) & (detections.label[pairs.detection] == truths.label[pairs.truth]))
    asked = _most_overlapped(pairs, truths.crowd, len(detections))
    order = np.argsort(-detections.score, kind="stable")
    asked, label = asked[order], detections.label[order]
    right = np.zeros(len(asked), bool)
    places = np.flatnonzero(asked >= 0)
    right[places[np.unique(asked[places], return_index=True)[1]]] = True
    judged = (asked < 0) | truths.counted[asked] if len(truths) else np.ones(len(asked), bool)
    right = right[judged]
    wanted = np.bincount(truths.label[truths.counted], minlength=num_classes)
    return [
        _curve(right[of_class], int(wanted[k])) if wanted[k] else None
        for k, of_class in enumerate(rows_by_class(label[judged], num_classes))
    ]


def voc_means(curves: list[VocCurve | None]) -> dict[str, float | None]:
    """`voc_ap` (area) and `voc_ap_11`, the means over classes that have an object; None where there is none."""
    known = [curve for curve in curves if curve is not None]
    if not known:
        return {"voc_ap": None, "voc_ap_11": None}
    return {
        "voc_ap": float(np.mean([curve.area() for curve in known])),
        "voc_ap_11": float(np.mean([curve.eleven_points() for curve in known])),
    }


def _most_overlapped(pairs: Pairs, crowd: ndarray, count: int) -> Int64[ndarray, " count"]:
    """The truth that each detection overlaps most, the first of equals, crowds last; -1 where there is none."""
    sort = np.lexsort((pairs.truth, -pairs.iou, crowd[pairs.truth], pairs.detection))
    detection, first = np.unique(pairs.detection[sort], return_index=True)
    asked = np.full(count, -1, np.int64)
    asked[detection] = pairs.truth[sort][first]
    return asked


def _curve(right: ndarray, wanted: int) -> VocCurve:
    found = right.cumsum()
    return VocCurve(found / np.arange(1, len(right) + 1), found / wanted)
