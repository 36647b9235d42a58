"""The classification part of a run's report: confusion, figures a class, calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from zorki.contracts import Section
from zorki.draw.blocks import columns, figure, table
from zorki.draw.figures import bars, reliability
from zorki.draw.heat import confusion

MOST_BARS = 40  # classes; above, the table alone tells


def sections(figures: Mapping[str, Any], class_names: Sequence[str]) -> list[Section]:
    """Sections for one result of `ClassificationMetric.compute`; none where nothing was counted."""
    if not figures.get("count"):
        return []
    return [
        Section(
            "Confusion matrix",
            figure(confusion(figures["confusion"], class_names)),
            "Row: what it is. Column: what it was taken for. The diagonal is right.",
        ),
        Section(
            "Classes", _classes(figures), "Recall: found among those that are. Precision: true among those named so."
        ),
        Section("Calibration", _calibration(figures), "A network that is 80 % sure should be right 80 times in 100."),
    ]


def _classes(figures: Mapping[str, Any]) -> str:
    per_class = figures["per_class"]
    rows = [{"class": name, **values} for name, values in per_class.items()]
    parts = [table(rows)]
    if len(per_class) <= MOST_BARS:
        f1 = {name: values["f1"] or 0.0 for name, values in per_class.items()}
        parts.append(figure(bars({"F1": f1}, title="F1 a class", maximum=1)))
    return columns(*parts)


def _calibration(figures: Mapping[str, Any]) -> str:
    bins = figures["reliability"]
    return figure(
        reliability(
            [math.nan if row["confidence"] is None else row["confidence"] for row in bins],
            [math.nan if row["accuracy"] is None else row["accuracy"] for row in bins],
            [row["count"] for row in bins],
            error=figures["calibration_error"],
        )
    )
