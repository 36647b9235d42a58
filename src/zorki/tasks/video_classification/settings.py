"""What a training run on films can be told beside what all tasks have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from zorki.data.annotations.clips.groups import HELP
from zorki.errors import RecipeError
from zorki.recipe import Recipe
from zorki.settings import setting
from zorki.tasks import settings_fields as fields

_HEADING = "Video classification"


@final
@dataclass(frozen=True)
class VideoClassificationSettings(Recipe):
    """Which frames of a film are taken, and which films belong together."""

    task: ClassVar[str] = "video_classification"
    clip_frames: int | None = setting(
        None, _HEADING, "Frames of a clip; empty: the model's own.", unit="frames", least=1
    )
    clip_stride: int | None = setting(
        None, _HEADING, "Every so many-th frame is taken; empty: the model's own.", unit="frames", least=1
    )
    frame_rate: float | None = setting(
        None,
        _HEADING,
        "Rate at which films are sampled before --clip-stride, whatever their own; off: each film's own frames.",
        unit="frames a second",
        least=0,
        most=1000,
        off=0.0,
    )
    clip_seconds: float | None = setting(
        None, _HEADING, "Length of a clip, over which its frames are spread; in the place of --frame-rate and "
        "--clip-stride.",
        unit="seconds", least=0.01,
    )  # fmt: skip
    clips: int | None = setting(
        None, _HEADING, "Clips of a film whose scores are averaged in evaluation; empty: the model's own.",
        unit="clips", least=1,
    )  # fmt: skip
    group: str | None = setting(None, _HEADING, f"Groups of clips: {HELP}. Empty: what the data tell; none: no groups.")
    label_smoothing: float = fields.label_smoothing(_HEADING)
    class_weights: bool = fields.class_weights(_HEADING)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clip_seconds is not None and self.frame_rate is not None:
            raise RecipeError(
                "clip_seconds and frame_rate are both given; either says how far apart frames are: leave one out"
            )
