"""Evaluating a file of predictions, whoever made them."""

from __future__ import annotations

from pathlib import Path

from zorki import registry
from zorki.contracts import Results
from zorki.errors import RecipeError, ZorkiError, did_you_mean


def evaluate_file(
    predictions: str | Path,
    data: str | Path,
    *,
    task: str | None = None,
    split: str | None = None,
    format: str | None = None,
) -> Results:
    """Scores of the predictions in a file against `data`; neither a model nor images are needed.

    Args:
        predictions: in the file format of the task, such as COCO's results.
        task: its name; None takes the task that knows the predictions, by the file and the data.
        split: of the data; None takes the one whose images the predictions are of, and says so.

    Raises:
        ZorkiError: no such task, the file or the data cannot be read, or the predictions could be of several splits.
    """
    tasks = registry.tasks()
    paths = Path(predictions), Path(data)
    if task is None:
        able = [name for name, one in tasks.items() if one.evaluation.file_format]
        recognizing = [
            name for name in able if tasks[name].evaluation.recognize_predictions(*paths, format) is not None
        ]
        if len(recognizing) != 1:
            raise RecipeError(f"files of several tasks can be evaluated: say --task {' or --task '.join(able)}")
        task = recognizing[0]
    if task not in tasks:
        raise RecipeError(f"no task is named {task!r}.{did_you_mean(task, tasks)} `zorki tasks` lists them all.")
    if not tasks[task].evaluation.file_format:
        raise ZorkiError(f"{task} knows no file of predictions; evaluate a run, or weights of a model")
    return tasks[task].evaluation.evaluate_predictions(*paths, split=split, format=format)
