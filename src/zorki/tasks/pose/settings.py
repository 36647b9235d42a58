"""What a training run of a network for joints can be told beside what all tasks have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from zorki.recipe import Recipe
from zorki.settings import setting

_HEADING = "Pose"


@final
@dataclass(frozen=True)
class PoseSettings(Recipe):
    """Which joints are twins, for images that are mirrored."""

    task: ClassVar[str] = "pose"
    flip_pairs: str | None = setting(
        None,
        _HEADING,
        "Joints that change places in a mirrored image, LEFT=RIGHT,LEFT=RIGHT,...; empty: as the data say, else as the "
        "names tell.",
    )
