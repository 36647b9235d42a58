"""Ensembles of several runs, and the baseline that looks at no image, which single runs are held against."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from zorki.contracts import Dataset, Results, Targets, Task
from zorki.engine.evaluation.split import SAMPLES, WORST
from zorki.errors import DataError
from zorki.types import ClassInfo

FEW = 16  # annotations held at once: some are as large as images


def ensemble_results(
    task: Task[Any, Any], info: ClassInfo, predictions: Sequence[dict[int, Any]], dataset: Dataset[Any], split: str
) -> Results:
    """Of the joined predictions of several runs, for the samples that all of them predicted.

    Args:
        predictions: of each run, by the index of the sample.
    """
    metric = task.evaluation.metric(info)
    common = [index for index in predictions[0] if all(index in held for held in predictions)]
    joined = [task.evaluation.ensemble([held[index] for held in predictions]) for index in common]
    targets = [dataset.target(index) for index in common]
    metric.update(joined, targets)
    wrong = sorted(
        zip(common, joined, targets, strict=True),
        key=lambda item: task.evaluation.error_score(item[1], item[2], info),
        reverse=True,
    )
    return Results(
        split=split,
        count=len(common),
        metrics=metric.compute(),
        losses={},
        worst=[(index, answer) for index, answer, _ in wrong[:WORST]],
        samples=list(zip(common[:SAMPLES], joined, strict=False)),
        unit=f"{task.unit}s",
    )


def baseline(
    task: Task[Any, Any], info: ClassInfo, dataset: Dataset[Any], train: Sequence[int], indices: Sequence[int]
) -> dict[str, int | float] | None:
    """Scores of the best prediction that does not look at the image; None where the task has none."""
    answer = task.evaluation.baseline(Targets(dataset, train), info)
    if answer is None:
        return None
    metric = task.evaluation.metric(info)
    for start in range(0, len(indices), FEW):
        predictions, targets = [], []
        for index in indices[start : start + FEW]:
            with suppress(DataError):  # an annotation that cannot be read was told before, and is evaluated nowhere
                targets.append(dataset.target(index))
                predictions.append(task.evaluation.baseline_for(answer, dataset, index))
        metric.update(predictions, targets)
    return metric.compute().scalars()
