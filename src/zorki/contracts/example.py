"""A small training run that shows a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from torch import Tensor

    from zorki.types import TrackedBoxes


@dataclass(frozen=True)
class ExampleVideo:
    """A built-in video that a trained network is tried on.

    Attributes:
        make: its frames, and where the objects are in them.
        settings: of `zorki.predict`, where the network predicts frame by frame.
        flags: the same as they are typed.
    """

    make: Callable[[], tuple[UInt8[Tensor, "T 3 H W"], TrackedBoxes]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    flags: str = ""


@dataclass(frozen=True)
class Example:
    """What `zorki demo` trains, in minutes on a processor, and how to go on.

    Attributes:
        model, data: names of a model and of built-in data.
        settings: of the recipe.
        own_data: which data of one's own suit the task.
        own_model: the model to begin with on them.
        own_flags: flags of that training run.
        video: what the network is tried on afterwards; None: nothing.
    """

    model: str
    data: str
    own_data: str
    own_model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    own_flags: str = "--weights imagenet"
    video: ExampleVideo | None = None
