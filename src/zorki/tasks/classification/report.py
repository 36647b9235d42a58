"""The classification part of a run's report: confusion matrix, scores of classes, calibration."""

from __future__ import annotations

import math

from zorki.contracts import Section
from zorki.draw.blocks import columns, figure, table
from zorki.draw.figures import bars, reliability
from zorki.draw.heat import confusion
from zorki.tasks.classification.metric import ClassificationResult

MAX_BARS = 40  # classes; above, the table alone tells


def sections(result: ClassificationResult) -> list[Section]:
    """The sections of one result; none where no image was evaluated."""
    if not result.count:
        return []
    names = [row.class_name for row in result.per_class]
    return [
        Section(
            "Confusion matrix",
            figure(confusion(result.confusion_matrix, names)),
            "Row: ground truth. Column: prediction. The diagonal is right.",
        ),
        Section(
            "Classes",
            _classes(result),
            "Recall: the share of a class that was found. Precision: the share of its predictions that is right.",
        ),
        Section(
            "Calibration", _calibration(result), "Predictions with 80 % confidence should be right 80 times in 100."
        ),
    ]


def _classes(result: ClassificationResult) -> str:
    parts = [table(result.tables()["per_class"])]
    if len(result.per_class) <= MAX_BARS:
        f1 = {row.class_name: row.f1 or 0.0 for row in result.per_class}
        parts.append(figure(bars({"F1": f1}, title="F1 by class", maximum=1)))
    return columns(*parts)


def _calibration(result: ClassificationResult) -> str:
    bins = result.calibration
    return figure(
        reliability(
            [math.nan if row.confidence is None else row.confidence for row in bins],
            [math.nan if row.accuracy is None else row.accuracy for row in bins],
            [row.count for row in bins],
            error=result.calibration_error or 0.0,
        )
    )
