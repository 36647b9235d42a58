"""How a recipe's words about clips become the preprocessing that is saved with the weights."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from zorki.data.preprocess.clips import Clips

if TYPE_CHECKING:
    from zorki.contracts import Preprocess
    from zorki.tasks.video_classification.settings import VideoClassificationSettings


def with_sampling(preprocess: Preprocess, recipe: VideoClassificationSettings) -> Preprocess:
    """The same with the sampling of frames that the recipe has; what it does not say stays."""
    assert isinstance(preprocess, Clips)
    given: dict[str, Any] = {
        "frames": recipe.clip_frames,
        "stride": recipe.clip_stride,
        "rate": recipe.frame_rate,
        "clips": recipe.clips,
    }
    sampled = dataclasses.replace(preprocess, **{name: value for name, value in given.items() if value is not None})
    if recipe.clip_seconds is None:
        return sampled
    return dataclasses.replace(sampled, rate=sampled.frames * sampled.stride / recipe.clip_seconds)
