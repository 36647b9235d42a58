"""All scores of detection from two tables: ground truths and detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from zorki.contracts import MetricResult
from zorki.contracts.metric import plain_values
from zorki.metrics.coco_ap import SIZES, CocoCurves, CocoSummary, coco_curves
from zorki.metrics.error_types import BACKGROUND_IOU, FOREGROUND_IOU, ErrorCounts, count_errors
from zorki.metrics.matching import Matches, Pairs, match, overlapping_pairs
from zorki.metrics.score_threshold import PrecisionRecall, ScoreCurve, ThresholdCurve, score_curve
from zorki.metrics.tables import DetectionTable, GroundTruthTable, rows_by_class
from zorki.metrics.voc_ap import VocCurve, VocSummary, voc_curves, voc_summary

Summary = TypeVar("Summary", CocoSummary, VocSummary)


@dataclass(frozen=True)
class DetectionScores:
    """Scores of one class; None where it has no object.

    Attributes:
        count: objects that have to be found.
        ap, ap50: COCO's average precision.
        voc_ap: Pascal VOC's, the area under the curve.
        precision, recall, f1: at the common best threshold.
        best_threshold, best_f1: the score at which the class's own F1 is best, and that F1.
        precision_at_recall: at recalls 0, .01, ..., 1 and an IoU of .5.
    """

    class_name: str
    count: int
    ap: float | None
    ap50: float | None
    voc_ap: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    best_threshold: float | None
    best_f1: float | None
    precision_at_recall: tuple[float, ...] | None


@dataclass(frozen=True, kw_only=True)
class DetectionResult(MetricResult):
    """How well objects are found, from which score on to keep detections, and what goes wrong.

    In JSON the scores of `coco`, `voc` and `at_best` stand beside the others, by their own names. Over all sizes they
    are 0 where there is no object, so that they can be monitored.

    Attributes:
        objects: that have to be found.
        detections: all of them.
        coco: COCO's twelve scores.
        voc: Pascal VOC's average precision at an IoU of .5.
        best_threshold: the score at which F1 is best, all classes together; None where nothing was found.
        at_best: precision, recall and F1 of the detections that score `best_threshold` or more.
        per_class: in the order of labels.
        errors: of the detections that score `best_threshold` or more.
        threshold_curve: precision, recall and F1 over score thresholds.
    """

    objects: int = 0
    detections: int = 0
    coco: CocoSummary = field(default_factory=CocoSummary)
    voc: VocSummary = field(default_factory=VocSummary)
    best_threshold: float | None = None
    at_best: PrecisionRecall = field(default_factory=PrecisionRecall)
    per_class: tuple[DetectionScores, ...] = ()
    errors: ErrorCounts = field(default_factory=ErrorCounts)
    threshold_curve: ThresholdCurve = field(default_factory=ThresholdCurve)

    def to_json(self) -> dict[str, Any]:
        found = super().to_json()
        flat: dict[str, Any] = {}
        for name, value in found.items():
            flat |= value if name in ("coco", "voc", "at_best") else {name: value}
        return flat | {"errors": plain_values(self.errors.shares())}

    def __str__(self) -> str:
        """As `COCOeval.summarize` of pycocotools prints it."""
        return str(self.coco)


def detection_result(
    ground_truths: GroundTruthTable,
    detections: DetectionTable,
    class_names: Sequence[str],
    count: int,
    *,
    curves: CocoCurves | None = None,
    pairs: Pairs | None = None,
) -> DetectionResult:
    """The scores of `count` images.

    Args:
        curves: of COCO, where they are known.
        pairs: with an IoU of `BACKGROUND_IOU` or more, where they are known: those of masks, instead of boxes.
    """
    num_classes = len(class_names)
    curves = curves or coco_curves(ground_truths, detections, num_images=count, num_classes=num_classes)
    pairs = pairs or overlapping_pairs(ground_truths, detections, BACKGROUND_IOU)
    voc = voc_curves(ground_truths, detections, num_classes, pairs=pairs)
    matches = match(ground_truths, detections, pairs, FOREGROUND_IOU)
    whole, each = score_curves(ground_truths, detections, matches, num_classes)
    best = whole.best_threshold()
    kept = detections.score >= (np.inf if best is None else best)
    return DetectionResult(
        count=count,
        objects=whole.positives,
        detections=len(detections),
        coco=_zero_for_nothing(curves.summary()),
        voc=_zero_for_nothing(voc_summary(voc)),
        best_threshold=best,
        at_best=whole.at(best),
        per_class=tuple(_of_class(name, curves, k, voc[k], each[k], best) for k, name in enumerate(class_names)),
        errors=count_errors(ground_truths, detections, pairs, matches, kept),
        threshold_curve=whole.over_thresholds(),
    )


def score_curves(
    ground_truths: GroundTruthTable, detections: DetectionTable, matches: Matches, num_classes: int
) -> tuple[ScoreCurve, list[ScoreCurve]]:
    """Counts over falling scores of all classes together, and of each; ignored detections are left out."""
    kept = matches.order[~matches.ignored[matches.order]]
    score, label, true = detections.score[kept], detections.label[kept], matches.ground_truth[kept] >= 0
    positives = np.bincount(ground_truths.label[ground_truths.positive], minlength=num_classes)
    rows = rows_by_class(label, num_classes)
    each = [score_curve(score[own], true[own], int(positives[k])) for k, own in enumerate(rows)]
    return score_curve(score, true, int(positives.sum())), each


def _of_class(
    name: str, curves: CocoCurves, label: int, voc: VocCurve | None, curve: ScoreCurve, best: float | None
) -> DetectionScores:
    """The class's AP, what it has at the common threshold, and its own best threshold with the F1 there."""
    coco, at_best = curves.of_class(label), curve.at(best)
    own = curve.best_threshold() if curve.positives else None
    return DetectionScores(
        class_name=name,
        count=curve.positives,
        ap=coco.ap,
        ap50=coco.ap50,
        voc_ap=None if voc is None else voc.area(),
        precision=at_best.precision,
        recall=at_best.recall,
        f1=at_best.f1,
        best_threshold=own,
        best_f1=curve.at(own).f1 if curve.positives else None,
        precision_at_recall=curves.precision_at_recalls(label),
    )


def _zero_for_nothing(summary: Summary) -> Summary:
    """Over all sizes nothing found is 0, so that a score can be monitored; that of a size without objects is None."""
    return replace(
        summary,
        **{name: 0.0 for name, value in vars(summary).items() if value is None and not name.endswith(SIZES)},
    )
