"""The frames of a film in which a tracker's answer is explained, with the region in which it sought the object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.contracts.capabilities import Tracks
from zorki.engine.run.open import TrainedModel
from zorki.engine.video_tracks.follow import FollowedFrame, follow
from zorki.errors import DataError, RecipeError
from zorki.types import Boxes

FRAMES = 4  # that are explained
MAX_FRAMES = 300  # that are followed, where nothing is said


@dataclass(frozen=True)
class TrackedFrame:
    """A frame of a film, and what a tracker went by in it.

    Attributes:
        number: of the frame, from 0.
        pair: the first frame and this one.
        boxes: of the object in the first frame, and where it was in the frame before this one: two rows.
        found: where the tracker found it.
    """

    number: int
    pair: UInt8[Tensor, "2 3 H W"]
    boxes: Boxes
    found: Boxes

    @property
    def lost(self) -> bool:
        """Whether the tracker says that it does not see the object."""
        return self.found.lost is not None and bool(self.found.lost.any())


def tracked_frames(run: TrainedModel, film: Any, box: Boxes, device: str, max_frames: int) -> list[TrackedFrame]:
    """Frames of a film, evenly spread over those that were followed, the last one among them.

    Raises:
        ZorkiError: as `follow`; the film has one frame alone, or frames of several sizes.
    """
    if not isinstance(run.model, Tracks):
        raise RecipeError(f"{run.model_name} follows nothing through a video; `zorki models` lists what does")
    if max_frames < 2:
        raise RecipeError(f"max frames is {max_frames}; expected 2 at least: the first shows what is followed")
    kept, step = list[TrackedFrame](), 1
    for frame in _frames(follow(run, film, {0: box}, device=device, precision="32", max_frames=max_frames)):
        if len(kept) == 2 * FRAMES:
            kept, step = kept[1::2], 2 * step
        if frame.number % step == 0:
            kept.append(frame)
    if not kept:
        raise DataError(f"{film}: one frame alone; a tracker is explained in those after the first")
    count = min(FRAMES, len(kept))
    return [kept[(place + 1) * len(kept) // count - 1] for place in range(count)]


def _frames(followed: Iterator[FollowedFrame]) -> Iterator[TrackedFrame]:
    first = before = next(followed)
    for frame in followed:
        if frame.image.shape != first.image.shape:
            raise DataError(
                f"frame {frame.number} has {tuple(frame.image.shape[1:])} pixels, and the first "
                f"{tuple(first.image.shape[1:])}; expected frames of one size"
            )
        boxes = Boxes(torch.cat([first.boxes.xyxy, before.boxes.xyxy]), torch.zeros(2, dtype=torch.int64))
        yield TrackedFrame(frame.number, torch.stack([first.image, frame.image]), boxes, frame.boxes)
        before = frame
