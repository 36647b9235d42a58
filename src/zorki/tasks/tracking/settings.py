"""What a training run of a tracker can be told beside what all tasks have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from zorki.recipe import Recipe
from zorki.settings import setting

_HEADING = "Tracking"


@final
@dataclass(frozen=True)
class TrackingSettings(Recipe):
    """Pairs that are cut from videos."""

    task: ClassVar[str] = "tracking"
    max_gap: int = setting(100, _HEADING, "Frames between exemplar and search region, at most.", unit="frames", least=1)
    pairs: int = setting(
        1, _HEADING, "Pairs that are drawn from each video or image in an epoch; GOT-10k's usual is 1.", least=1
    )
