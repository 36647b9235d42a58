"""All that one run needs, before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zorki import registry
from zorki.contracts import Dataset, Model, Task
from zorki.engine.data_check import Survey
from zorki.recipe import Recipe
from zorki.types import ClassInfo


@dataclass
class Work:
    """All that one run needs, before it starts."""

    entry: registry.Entry
    task: Task[Any, Any]
    info: ClassInfo
    dataset: Dataset[Any]
    looked: Survey
    recipe: Recipe
    model: Model[Any, Any, Any]
    folder: Path
    about: dict[str, Any]
