"""A small training run that shows a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """What `zorki demo` trains, in minutes on a processor, and how to go on.

    Attributes:
        model, data: names of a model and of built-in data.
        settings: of the recipe.
        own_data: which data of one's own suit the task.
        own_model: the model to begin with on them.
        own_flags: flags of that training run.
    """

    model: str
    data: str
    own_data: str
    own_model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    own_flags: str = "--weights imagenet"
