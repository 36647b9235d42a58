"""What pretraining can be told beside what all tasks have: how the views of an image differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from zorki.recipe import Recipe
from zorki.settings import setting

_HEADING = "Pretraining"


@final
@dataclass(frozen=True)
class PretrainingSettings(Recipe):
    """Views of an image; `random_crop` and `hflip` are theirs, too, and all else varies the image that they show."""

    task: ClassVar[str] = "pretraining"
    video_rate: float = setting(
        1.0, _HEADING, "Frames of videos that are taken as images.", unit="frames a second", least=1e-3, most=1000
    )
    jitter: float | None = setting(
        None,
        _HEADING,
        "Color jitter of views: strength s of SimCLR, whose brightness, contrast and saturation change by .8 s and hue "
        "by .2 s; empty: the method's own.",
        least=0,
        most=1.25,
        off=0.0,
    )
    grayscale: float | None = setting(
        None, _HEADING, "Probability of a gray view; empty: the method's own.", least=0, most=1, off=0.0
    )
    view_blur: float | None = setting(
        None, _HEADING, "Probability of a blurred view; empty: the method's own.", least=0, most=1, off=0.0
    )
