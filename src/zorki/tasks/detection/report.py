"""The detection part of a run's report: average precision, curves, classes, error types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from zorki.contracts import Section
from zorki.draw.blocks import columns, figure, notice, table
from zorki.draw.figures import bars, curves
from zorki.tasks.detection.metrics.scores import DetectionResult

MAX_BARS = 40  # classes; above, the table alone tells
MAX_CURVES = 7  # classes with a curve of their own: the most frequent

NAMES = {
    "ap": "AP, IoU .50 to .95",
    "ap50": "AP at IoU .50",
    "ap75": "AP at IoU .75",
    "ap_small": "AP, objects below 32² pixels",
    "ap_medium": "AP, 32² to 96² pixels",
    "ap_large": "AP, above 96² pixels",
    "ar1": "recall with 1 detection an image and class",
    "ar10": "recall with 10 detections",
    "ar100": "recall with 100 detections",
    "ar_small": "recall, objects below 32² pixels",
    "ar_medium": "recall, 32² to 96² pixels",
    "ar_large": "recall, above 96² pixels",
    "voc_ap": "VOC's AP, area",
    "voc_ap_11": "VOC's AP, 11 points",
}
"""What each score is, for a person."""

ERROR_TYPES = {
    "classification": "the right place, the wrong class",
    "localization": "the right class, too little overlap",
    "both": "the wrong class and too little overlap",
    "duplicate": "an object that a better detection has found",
    "background": "nothing is there",
    "missed": "an object without a detection",
}


def sections(result: DetectionResult, class_rows: Sequence[Mapping[str, Any]] | None = None) -> list[Section]:
    """The sections of one result; none where no image was evaluated.

    Args:
        class_rows: the table of classes, with "class_name" in each row; None takes that of the result.
    """
    if not result.count:
        return []
    if not result.objects:
        none = notice(f"The {result.count} images hold no object, so there was nothing to find.", kind="note")
        return [Section("Average precision", none)]
    return [
        Section(
            "Average precision",
            _averages(result) + _recall_curves(result),
            "The share of detections that are right, while more and more of the objects are found. COCO's AP is the "
            "mean over classes and over IoU thresholds from .50 to .95; the curves are at .50.",
        ),
        Section("Score threshold", _threshold(result), _threshold_note(result)),
        Section(
            "Classes",
            _classes(result, class_rows or result.tables()["per_class"]),
            "Precision, recall and F1 are at the common threshold; beside it stands the best one for each class alone.",
        ),
        Section(
            "Errors",
            _errors(result),
            "What goes wrong at the threshold (TIDE, Bolya et al., 2020); each error is counted once.",
        ),
    ]


def _averages(result: DetectionResult) -> str:
    half = 6
    scores = asdict(result.coco) | asdict(result.voc)
    rows = [{"score": text, "value": scores[name]} for name, text in NAMES.items()]
    return columns(table(rows[:half]), table(rows[half : 2 * half]), table(rows[2 * half :]))


def _recall_curves(result: DetectionResult) -> str:
    curve_by_class = {row.class_name: row.precision_at_recall for row in result.per_class if row.precision_at_recall}
    if not curve_by_class:
        return ""
    mean = [sum(values) / len(curve_by_class) for values in zip(*curve_by_class.values(), strict=True)]
    count = {row.class_name: row.count for row in result.per_class}
    frequent = sorted(curve_by_class, key=lambda name: -count[name])[:MAX_CURVES]
    shown = {"mean": mean} if len(curve_by_class) > 1 else {}
    shown |= {name: list(values) for name, values in curve_by_class.items() if name in frequent}
    series = {name: [(step / 100, value) for step, value in enumerate(values)] for name, values in shown.items()}
    caption = (
        f"The {MAX_CURVES} most frequent of {len(curve_by_class)} classes." if len(curve_by_class) > MAX_CURVES else ""
    )
    return figure(
        curves(series, title="Precision over recall, IoU .50", x_label="recall", y_label="precision", shares=True),
        caption,
    )


def _threshold(result: DetectionResult) -> str:
    curve = result.threshold_curve
    named = {"precision": curve.precision, "recall": curve.recall, "F1": curve.f1}
    series = {
        name: [(x, y) for x, y in zip(curve.score, values, strict=True) if y is not None]
        for name, values in named.items()
    }
    best = None if result.best_threshold is None else round(result.best_threshold, 3)
    return figure(curves(series, title="Detections kept from a score on", x_label="score", best=best, shares=True))


def _threshold_note(result: DetectionResult) -> str:
    at_best = result.at_best
    if result.best_threshold is None:
        return "No object was found, so no threshold is better than another."
    return (
        f"F1 is best, {at_best.f1:.3f}, where detections with a score of {result.best_threshold:.3f} or more are kept: "
        f"precision {at_best.precision:.3f}, recall {at_best.recall:.3f}, all classes together."
    )


def _classes(result: DetectionResult, rows: Sequence[Mapping[str, Any]]) -> str:
    parts = [table(rows)]
    if len(result.per_class) <= MAX_BARS:
        groups = {
            "AP": {row.class_name: row.ap for row in result.per_class},
            "AP50": {row.class_name: row.ap50 for row in result.per_class},
        }
        parts.append(figure(bars(groups, title="AP by class", maximum=1)))
    return "".join(parts)


def _errors(result: DetectionResult) -> str:
    if not result.errors.total():
        return notice("No errors at all.", kind="note")
    shares = result.errors.shares()
    rows = [
        {"type": one.error_type, "what": ERROR_TYPES[one.error_type], "count": one.count, "share": one.share}
        for one in shares
    ]
    counts = {one.error_type: one.count for one in shares}
    return columns(table(rows), figure(bars({"errors": counts}, title="Errors by type")))
