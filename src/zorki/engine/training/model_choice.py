"""Task and model for data of which nobody said with what to train, by what the data hold and how much of it."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zorki import registry
from zorki.contracts import Dataset, Task
from zorki.data.formats import WORDS
from zorki.data.formats.detect import DetectedFormats, detect
from zorki.engine.device import best_device
from zorki.engine.run.defaults import Choice
from zorki.errors import DataError, RecipeError
from zorki.recipe import Recipe

LOOKED_AT = 15  # images whose size is asked


def task_of(data: Any, format: str | None = None) -> Task[Any, Any]:
    """The task that the data are for.

    Raises:
        RecipeError: they serve several tasks, with the command of each; or they are a dataset in Python.
        DataError: they serve none.
    """
    if not isinstance(data, str | Path):
        raise RecipeError('a dataset in Python does not tell its task: name a model, such as "resnet18"')
    able = [one for one in registry.tasks().values() if one.suggestions]
    detected = detect(Path(data))
    found = [one for one in able if _fits(detected, one, format)]
    # Any folder of folders looks like classes, so what says more goes before.
    found = [one for one in found if "labels" not in one.data.needs] or found
    if len(found) > 1:
        found = [one for one in found if _can_be_read(Path(data), one, format)] or found
    if len(found) > 1:
        words = shlex.quote(str(data))
        commands = "".join(f"\n  zorki train {one.suggestions[0].model} {words}  # {_why(one)}" for one in found)
        raise RecipeError(f"{data}: can be learned from in {len(found)} ways; name a model:{commands}")
    if not found:
        detected.match(*dict.fromkeys(kind for one in able for kind in one.data.needs), format=format)
        raise DataError(f"{data}: no task was found for it; `zorki tasks` lists what can be trained")
    return found[0]


def choose_model(task: Task[Any, Any], dataset: Dataset[Any], indices: Sequence[int], recipe: Recipe) -> Choice:
    """The model that the task suggests for so many images of their size, on the device.

    Raises:
        RecipeError: the task suggests none.
    """
    side = recipe.image_size or _usual_side(dataset, indices)
    device = recipe.device or best_device()[0]
    fitting = [one for one in task.suggestions if one.suits(side, len(indices), gpu=not device.startswith("cpu"))]
    if not fitting:
        raise RecipeError(f"{task.name} suggests no model for images of {side} pixels; name one of `zorki models`")
    why = f"{task.name}: {_why(task)}; {len(indices):,} training images of about {side} pixels, on {device}"
    return Choice("model", fitting[-1].model, why)


def _fits(detected: DetectedFormats, task: Task[Any, Any], format: str | None) -> bool:
    try:
        return bool(task.data.needs) and bool(detected.match(*task.data.needs, format=format))
    except DataError:
        return False


def _can_be_read(root: Path, task: Task[Any, Any], format: str | None) -> bool:
    """Whether there is ground truth of the task: files of boxes have room for masks, and most have none."""
    try:
        dataset = task.data.read(root, format=format)
    except DataError:
        return False
    return any(task.data.has_ground_truth(dataset, indices) for indices in dataset.splits.values())


def _why(task: Task[Any, Any]) -> str:
    return " or ".join(WORDS[kind] for kind in task.data.needs)


def _usual_side(dataset: Dataset[Any], indices: Sequence[int]) -> int:
    """The median of the longer sides of some of these images, in pixels."""
    sides = []
    for index in indices[:: max(1, len(indices) // LOOKED_AT)][:LOOKED_AT]:
        try:
            sides.append(max(dataset[index].image.shape[-2:]))
        except DataError:
            continue
    if not sides:
        raise DataError(f"{dataset.root}: none of the training images looked at can be read")
    return int(statistics.median(sides))
