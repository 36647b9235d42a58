"""The segmentation part of a run's report: scores, classes, confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

from zorki.contracts import Section
from zorki.draw.blocks import figure, notice, swatches, table
from zorki.draw.figures import bars
from zorki.draw.heat import confusion
from zorki.draw.palette import color
from zorki.tasks.semantic_segmentation.metric import SegmentationResult

MAX_BARS = 40  # classes; above, the table alone tells
MAX_WORST = 8  # classes of the table of the worst

NAMES = {
    "miou": "mean IoU",
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean recall of classes",
    "frequency_weighted_iou": "frequency weighted IoU",
    "dice": "mean Dice",
    "foreground_dice": "Dice of the second class",
    "boundary_f1": "boundary F1",
}
"""What each score is, for a person."""


def sections(result: SegmentationResult, background: Sequence[int] = ()) -> list[Section]:
    """The sections of one result; none where no image was evaluated.

    Args:
        background: labels without a color, see `ClassInfo`.
    """
    if not result.count:
        return []
    if not result.valid_pixels:
        return [Section("Pixels", notice(f"All pixels of the {result.count} images are ignored.", kind="note"))]
    names = [row.class_name for row in result.per_class]
    return [
        Section("Pixels", _scores(result), _pixels(result)),
        Section(
            "Classes",
            _classes(result, names, background),
            "IoU: intersection over union of prediction and ground truth. Recall: the share of a class that was found. "
            "Precision: the share of its predictions that is right. Boundary F1: how well edges are met, at a "
            "tolerance of .75 % of the diagonal.",
        ),
        Section("Worst classes", _worst(result, names), "The lowest IoU first, and what they are confused with."),
        Section(
            "Confusion matrix",
            figure(confusion(result.confusion_matrix, names)),
            "Row: ground truth. Column: prediction. The diagonal is right. In the images below, wrong pixels are "
            "hatched, and ignored ones gray.",
        ),
    ]


def _scores(result: SegmentationResult) -> str:
    shown = {name: text for name, text in NAMES.items() if name != "foreground_dice" or len(result.per_class) == 2}
    return table([{"score": text, "value": getattr(result, name)} for name, text in shown.items()])


def _pixels(result: SegmentationResult) -> str:
    valid, ignored = result.valid_pixels, result.ignored_pixels
    words = f"Of {valid:,} pixels; all are counted together, so that large images count more."
    if ignored:
        words += f" {ignored:,} more ({ignored / (valid + ignored):.1%}) are ignored."
    if result.absent_classes:
        words += f" Neither annotated nor predicted, and so in no mean: {', '.join(result.absent_classes)}."
    return words


def _classes(result: SegmentationResult, names: list[str], background: Sequence[int]) -> str:
    parts = [table(result.tables()["per_class"])]
    if len(names) <= MAX_BARS:
        parts.insert(0, swatches([(name, color(k)) for k, name in enumerate(names) if k not in background]))
        iou = {row.class_name: row.iou for row in result.per_class}
        parts.append(figure(bars({"IoU": iou}, title="IoU by class", maximum=1)))
    return "".join(parts)


def _worst(result: SegmentationResult, names: list[str]) -> str:
    matrix = result.confusion_matrix
    ious = [(row.iou, label) for label, row in enumerate(result.per_class) if row.iou is not None]
    rows = []
    for iou, label in sorted(ious)[:MAX_WORST]:
        scores = result.per_class[label]
        rows.append(
            {
                "class": names[label],
                "IoU": iou,
                "recall": scores.recall,
                "predicted as": _others(matrix[label], label, names),
                "precision": scores.precision,
                "and these predicted as it": _others([row[label] for row in matrix], label, names),
            }
        )
    return table(rows)


def _others(counts: Sequence[int], own: int, names: Sequence[str]) -> str:
    """The two other classes with the most pixels, with their shares of all."""
    ranked = sorted((k for k, count in enumerate(counts) if count and k != own), key=lambda k: -counts[k])[:2]
    return ", ".join(f"{names[k]} {counts[k] / sum(counts):.0%}" for k in ranked)
