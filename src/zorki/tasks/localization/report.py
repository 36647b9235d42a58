"""The localization part of a run's report: IoU and classes."""

from __future__ import annotations

from zorki.contracts import Section
from zorki.draw.blocks import figure, table
from zorki.draw.figures import bars, curves
from zorki.tasks.localization.metric import LocalizationResult
from zorki.types import ClassInfo

MAX_BARS = 40  # classes; above, the table alone tells


def sections(result: LocalizationResult, info: ClassInfo) -> list[Section]:
    """The sections of one result; none where no image was evaluated."""
    if not result.count:
        return []
    series = {"share": list(zip(result.iou_curve.iou, result.iou_curve.share, strict=True))}
    curve = curves(series, title="Boxes that reach an IoU", x_label="IoU", y_label="share of objects")
    thing = "part" if info.objects == "each" else "class"
    return [
        Section(
            "Overlap",
            figure(curve),
            "The share of objects whose box has at least this IoU with the ground truth.",
        ),
        Section("Parts" if thing == "part" else "Classes", _classes(result, thing), _note(info)),
    ]


def _classes(result: LocalizationResult, thing: str) -> str:
    parts = [table(result.tables()["per_class"])]
    if len(result.per_class) <= MAX_BARS:
        means = {row.class_name: row.mean_iou or 0.0 for row in result.per_class}
        parts.append(figure(bars({"mean IoU": means}, title=f"Mean IoU by {thing}", maximum=1)))
    return "".join(parts)


def _note(info: ClassInfo) -> str:
    if info.objects == "each":
        return "Class accuracy: the share of seen parts that are predicted as visible. Top-1 Loc: with an IoU of 0.5."
    return "Class accuracy: the share of best guesses of the right class. Top-1 Loc: with an IoU of 0.5 as well."
