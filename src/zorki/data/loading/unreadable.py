"""Samples that could not be read."""

from __future__ import annotations

from typing import Any

from zorki.contracts import Dataset
from zorki.errors import DataError
from zorki.types import Defect


def defect_of(dataset: Dataset[Any], index: int, error: DataError, *, strict: bool) -> Defect:
    """What is told of a sample that could not be read. Raises DataError where `strict`."""
    path = dataset.path(index)
    defect = Defect(path, str(error).removeprefix(f"{path}: "))
    if strict:
        raise DataError(f"{defect}; repair or remove it, or run without strict to leave it out") from error
    return defect
