"""The detection part of a run's report: average precision, curves, classes, kinds of errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zorki.contracts import Section
from zorki.draw.blocks import columns, figure, notice, table
from zorki.draw.figures import bars, curves
from zorki.metrics.error_types import ERROR_TYPES

MOST_BARS = 40  # classes; above, the table alone tells
MOST_CURVES = 7  # classes with a curve of their own: the most frequent

NAMES = {
    "ap": "AP, overlap .50 to .95",
    "ap50": "AP at overlap .50",
    "ap75": "AP at overlap .75",
    "ap_small": "AP, objects below 32² pixels",
    "ap_medium": "AP, 32² to 96² pixels",
    "ap_large": "AP, above 96² pixels",
    "ar1": "recall with 1 answer an image and class",
    "ar10": "recall with 10 answers",
    "ar100": "recall with 100 answers",
    "ar_small": "recall, objects below 32² pixels",
    "ar_medium": "recall, 32² to 96² pixels",
    "ar_large": "recall, above 96² pixels",
    "voc_ap": "VOC's AP, area",
    "voc_ap_11": "VOC's AP, 11 points",
}
"""What each figure is, for a person."""


def sections(figures: Mapping[str, Any], class_names: Sequence[str]) -> list[Section]:
    """Sections for one result of `DetectionMetric.compute`; none where nothing was counted."""
    if not figures.get("count"):
        return []
    if not figures["objects"]:
        none = notice(f"The {figures['count']} images hold no object, so there was nothing to find.", kind="note")
        return [Section("Average precision", none)]
    return [
        Section(
            "Average precision",
            _averages(figures) + _recall_curves(figures, class_names),
            "Of what is answered, how much is right, while more and more of the objects are found. COCO's AP is the "
            "mean over classes and over overlaps from .50 to .95; the curves are at .50.",
        ),
        Section("Threshold", _threshold(figures), _threshold_note(figures)),
        Section(
            "Classes",
            _classes(figures),
            "Precision, recall and F1 are at the common threshold; beside it stands the best one for each class alone.",
        ),
        Section(
            "Errors",
            _errors(figures),
            "What goes wrong at the threshold (TIDE, Bolya et al., 2020); each error is counted once.",
        ),
    ]


def _averages(figures: Mapping[str, Any]) -> str:
    half = 6
    rows = [{"figure": text, "value": figures[name]} for name, text in NAMES.items()]
    return columns(table(rows[:half]), table(rows[half : 2 * half]), table(rows[2 * half :]))


def _recall_curves(figures: Mapping[str, Any], class_names: Sequence[str]) -> str:
    known = {name: figures["precision_curves"][name] for name in class_names if figures["precision_curves"][name]}
    if not known:
        return ""
    mean = [sum(values) / len(known) for values in zip(*known.values(), strict=True)]
    frequent = sorted(known, key=lambda name: -figures["per_class"][name]["count"])[:MOST_CURVES]
    shown = {"mean": mean} if len(known) > 1 else {}
    shown |= {name: values for name, values in known.items() if name in frequent}
    series = {name: [(step / 100, value) for step, value in enumerate(values)] for name, values in shown.items()}
    caption = f"The {MOST_CURVES} most frequent of {len(known)} classes." if len(known) > MOST_CURVES else ""
    return figure(
        curves(series, title="Precision over recall, overlap .50", x_label="recall", y_label="precision"), caption
    )


def _threshold(figures: Mapping[str, Any]) -> str:
    told = figures["threshold_curve"]
    series = {
        name: [(x, y) for x, y in zip(told["score"], told[name], strict=True) if y is not None]
        for name in ("precision", "recall", "f1")
    }
    named = {"F1" if name == "f1" else name: points for name, points in series.items()}
    best = figures["best_threshold"]
    best = None if best is None else round(best, 3)
    return figure(curves(named, title="What is kept from which score on", x_label="score", best=best))


def _threshold_note(figures: Mapping[str, Any]) -> str:
    best = figures["best_threshold"]
    if best is None:
        return "Nothing right was found, so no threshold is better than another."
    return (
        f"F1 is best, {figures['f1']:.3f}, where answers with a score of {best:.3f} or more are kept: "
        f"precision {figures['precision']:.3f}, recall {figures['recall']:.3f}, all classes together."
    )


def _classes(figures: Mapping[str, Any]) -> str:
    per_class = figures["per_class"]
    parts = [table([{"class": name, **values} for name, values in per_class.items()])]
    if len(per_class) <= MOST_BARS:
        groups = {word: {name: row[key] for name, row in per_class.items()} for word, key in _BARS.items()}
        parts.append(figure(bars(groups, title="AP a class", maximum=1)))
    return "".join(parts)


_BARS = {"AP": "ap", "AP50": "ap50"}


def _errors(figures: Mapping[str, Any]) -> str:
    errors = figures["errors"]
    counts = {kind: row["count"] for kind, row in errors.items()}
    if not sum(counts.values()):
        return notice("No errors at all.", kind="note")
    rows = [{"kind": kind, "what": what, **errors[kind]} for kind, what in ERROR_TYPES.items()]
    return columns(table(rows), figure(bars({"errors": counts}, title="Errors by kind")))
