"""The segmentation part of a run's report: figures, classes, what is taken for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zorki.contracts import Section
from zorki.draw.blocks import figure, notice, swatches, table
from zorki.draw.figures import bars
from zorki.draw.heat import confusion
from zorki.draw.palette import color
from zorki.tasks.semantic_segmentation.class_names import background_labels

MOST_BARS = 40  # classes; above, the table alone tells
MOST_WORST = 8  # classes of the table of the worst

NAMES = {
    "miou": "mean IoU",
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean recall of classes",
    "frequency_weighted_iou": "IoU weighted by frequency",
    "dice": "mean Dice",
    "foreground_dice": "Dice of the second class",
    "boundary_f1": "boundary F1",
}
"""What each figure is, for a person."""


def sections(figures: Mapping[str, Any], class_names: Sequence[str]) -> list[Section]:
    """Sections for one result of `SegmentationMetric.compute`; none where nothing was counted."""
    if not figures.get("count"):
        return []
    if not figures["judged_pixels"]:
        none = notice(f"Nobody judged a pixel of the {figures['count']} images.", kind="note")
        return [Section("Pixels", none)]
    return [
        Section("Pixels", _figures(figures), _judged(figures)),
        Section(
            "Classes",
            _classes(figures),
            "IoU: what truth and answer share of all that either has. Recall: found among those that are. Precision: "
            "true among those named so. Boundary F1: how well the edges are met, at a tolerance of .75 % of the "
            "diagonal.",
        ),
        Section(
            "Worst classes", _worst(figures, class_names), "The lowest IoU first, and what they are mixed up with."
        ),
        Section(
            "Confusion matrix",
            figure(confusion(figures["confusion"], class_names)),
            "Row: what a pixel is. Column: what it was taken for. The diagonal is right. In the images below, wrong "
            "pixels are hatched, and those that nobody judged gray.",
        ),
    ]


def _figures(figures: Mapping[str, Any]) -> str:
    return table([{"figure": text, "value": figures[name]} for name, text in NAMES.items() if name in figures])


def _judged(figures: Mapping[str, Any]) -> str:
    judged, ignored = figures["judged_pixels"], figures["ignored_pixels"]
    words = f"Of {judged:,} pixels; all are counted together, so that large images count more."
    if ignored:
        words += f" {ignored:,} more ({ignored / (judged + ignored):.1%}) nobody judged: they do not count."
    if figures["absent"]:
        words += f" In no truth and no answer, and so in no mean: {', '.join(figures['absent'])}."
    return words


def _classes(figures: Mapping[str, Any]) -> str:
    per_class = figures["per_class"]
    bare = background_labels(list(per_class))
    parts = [table([{"class": name, **values} for name, values in per_class.items()])]
    if len(per_class) <= MOST_BARS:
        parts.insert(0, swatches([(name, color(k)) for k, name in enumerate(per_class) if k not in bare]))
        iou = {name: values["iou"] for name, values in per_class.items()}
        parts.append(figure(bars({"IoU": iou}, title="IoU a class", maximum=1)))
    return "".join(parts)


def _worst(figures: Mapping[str, Any], class_names: Sequence[str]) -> str:
    per_class, matrix = figures["per_class"], figures["confusion"]
    known = [k for k, name in enumerate(class_names) if per_class[name]["iou"] is not None]
    rows = []
    for k in sorted(known, key=lambda k: per_class[class_names[k]]["iou"])[:MOST_WORST]:
        column = [row[k] for row in matrix]
        rows.append(
            {
                "class": class_names[k],
                "IoU": per_class[class_names[k]]["iou"],
                "recall": per_class[class_names[k]]["recall"],
                "taken for": _others(matrix[k], k, class_names),
                "precision": per_class[class_names[k]]["precision"],
                "and these taken for it": _others(column, k, class_names),
            }
        )
    return table(rows)


def _others(counts: Sequence[int], own: int, class_names: Sequence[str]) -> str:
    """The two other classes with the most pixels, with their shares of all."""
    ranked = sorted((k for k, count in enumerate(counts) if count and k != own), key=lambda k: -counts[k])[:2]
    return ", ".join(f"{class_names[k]} {counts[k] / sum(counts):.0%}" for k in ranked)
