"""All figures of detection from two tables: truths and detections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zorki.metrics.coco_ap import SIZES, CocoCurves, coco_curves
from zorki.metrics.error_types import BACKGROUND_IOU, FOUND_IOU, error_types
from zorki.metrics.matching import Matches, Pairs, match, overlapping
from zorki.metrics.score_threshold import ScoreCurve, score_curve
from zorki.metrics.tables import DetectionTable, GroundTruthTable, rows_by_class
from zorki.metrics.voc_ap import VocCurve, voc_curves, voc_means

TWELVE = (
    "ap",
    "ap50",
    "ap75",
    "ap_small",
    "ap_medium",
    "ap_large",
    "ar1",
    "ar10",
    "ar100",
    "ar_small",
    "ar_medium",
    "ar_large",
)
"""COCO's figures, in COCO's order."""


def detection_figures(
    truths: GroundTruthTable,
    detections: DetectionTable,
    class_names: Sequence[str],
    count: int,
    *,
    curves: CocoCurves | None = None,
    pairs: Pairs | None = None,
) -> dict[str, Any]:
    """What `DetectionMetric.compute` tells, for `count` images.

    Args:
        curves: of COCO, where they are known.
        pairs: that overlap by `BACKGROUND_IOU` or more, where they are known: those of masks, instead of boxes.
    """
    num_classes = len(class_names)
    curves = curves or coco_curves(truths, detections, num_images=count, num_classes=num_classes)
    pairs = pairs or overlapping(truths, detections, BACKGROUND_IOU)
    voc = voc_curves(truths, detections, num_classes, pairs=pairs)
    matches = match(truths, detections, pairs, FOUND_IOU)
    whole, each = score_curves(truths, detections, matches, num_classes)
    best = whole.best()
    kept = detections.score >= (np.inf if best is None else best)
    errors = error_types(truths, detections, pairs, matches, kept)
    return {
        "count": count,
        "objects": whole.wanted,
        "detections": len(detections),
        **{name: _known(name, value) for name, value in (curves.figures() | voc_means(voc)).items()},
        "best_threshold": best,
        **whole.at(best),
        "per_class": {
            name: {"count": each[k].wanted, **curves.of_class(k), **_of_class(voc[k], each[k], best)}
            for k, name in enumerate(class_names)
        },
        "errors": {
            kind: {"count": number, "share": number / max(1, sum(errors.values()))} for kind, number in errors.items()
        },
        "threshold_curve": whole.over_scores(),
        "precision_curves": {name: curves.at_recalls(k) for k, name in enumerate(class_names)},
    }


def score_curves(
    truths: GroundTruthTable, detections: DetectionTable, matches: Matches, num_classes: int
) -> tuple[ScoreCurve, list[ScoreCurve]]:
    """Counts over falling scores of all classes together, and of each; ignored detections are left out."""
    judged = matches.order[~matches.ignored[matches.order]]
    score, label, right = detections.score[judged], detections.label[judged], matches.truth[judged] >= 0
    wanted = np.bincount(truths.label[truths.counted], minlength=num_classes)
    rows = rows_by_class(label, num_classes)
    each = [score_curve(score[own], right[own], int(wanted[k])) for k, own in enumerate(rows)]
    return score_curve(score, right, int(wanted.sum())), each


def _of_class(voc: VocCurve | None, curve: ScoreCurve, best: float | None) -> dict[str, float | None]:
    """The class's VOC AP, what it has at the common threshold, and its own best threshold with the F1 there."""
    own = curve.best()
    if not curve.wanted:
        return {"voc_ap": None, **curve.at(best), "best_threshold": None, "best_f1": None}
    area = None if voc is None else voc.area()
    return {"voc_ap": area, **curve.at(best), "best_threshold": own, "best_f1": curve.at(own)["f1"]}


def _known(name: str, value: float | None) -> float | None:
    """Over all sizes nothing found is 0, so that a figure can be watched; that of a size without objects is None."""
    return 0.0 if value is None and not name.endswith(SIZES) else value
