"""The data that a user means: a folder or file, or torch datasets in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zorki.contracts import Dataset, Task
from zorki.contracts.capabilities import Grouped
from zorki.data.annotations.outside import outside_allowed
from zorki.errors import DataError, RecipeError
from zorki.recipe import Recipe

FORMAT = "torch"
"""The format of runs that were trained on datasets in Python."""


def read_data(
    task: Task[Any, Any],
    data: Any,
    recipe: Recipe,
    *,
    format: str | None = None,
    class_names: Sequence[str] | None = None,
) -> Dataset[Any]:
    """The dataset at a path, or of torch datasets, read as the recipe says.

    Args:
        data: a path, a map-style dataset, or such by split.
        format: of the files; None detects it.
        class_names: fixes the labels' order (a run's).

    Raises:
        DataError: it is none of these, or as the readers.
        RecipeError: settings for files are given with a dataset.
    """
    if isinstance(data, str | Path):
        with outside_allowed(recipe.allow_outside):
            dataset = task.data.read(
                Path(data), format=format, class_names=class_names, max_pixels=recipe.max_pixels,
                selection=recipe.selection,
            )  # fmt: skip
            return _held_out(task.data.arrange(dataset, recipe), recipe.hold_out)
    from zorki.data.annotations.torch_dataset import TorchDataset, is_torch_dataset  # with torch, which takes seconds

    if not is_torch_dataset(data):
        raise DataError(
            f"the data are {type(data).__name__}; expected a path, a dataset with a length whose samples are (image, "
            'target), or such by split, {"train": ..., "val": ...}'
        )
    if recipe.selection or format not in (None, FORMAT):
        what = "format" if format not in (None, FORMAT) else "class_map and only_classes"
        raise RecipeError(f"{what}: for files; a dataset in Python chooses its samples and classes itself")
    return TorchDataset(data, task.data.needs[0], class_names)


def _held_out(dataset: Dataset[Any], group: str | None) -> Dataset[Any]:
    if group is None:
        return dataset
    if not isinstance(dataset, Grouped):
        raise RecipeError(f"hold_out is {group!r}, but {dataset.format} data have no groups; leave it out")
    return dataset.hold_out(group)


def source_of(data: Any) -> str:
    """What a run's file says of its data."""
    if isinstance(data, str | Path):
        return str(Path(data).resolve()) if Path(data).exists() else str(data)
    first = next(iter(data.values())) if isinstance(data, Mapping) else data
    return f"{type(first).__name__} in Python"


def data_of_run(about: Mapping[str, Any], class_names: Sequence[str], data: Any = None) -> tuple[Any, Sequence[str]]:
    """The data of a run, and the names by which they are read: those it was trained on, where `data` is None.

    Raises:
        RecipeError: they were a dataset in Python, which must be passed again, or nothing tells them.
    """
    if data is None and about.get("format") == FORMAT:
        raise RecipeError(f"the run was trained on {about['data']}, which no file holds: pass it again as data=")
    if data is None and about.get("data") is None:
        raise RecipeError("the run does not tell which data it was trained on: name them")
    if data is None:
        return about["data"], class_names
    if isinstance(data, str | Path):
        return data, class_names
    return data, about.get("data_class_names") or class_names
