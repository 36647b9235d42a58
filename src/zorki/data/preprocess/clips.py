"""Preprocessing of clips: some of their frames, stacked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.contracts import Preprocess
from zorki.data.preprocess.canvas import check_positive
from zorki.data.preprocess.views import each_of
from zorki.types import Placement


@dataclass(frozen=True)
class Clips:
    """`frames` frames, every `stride`-th, each preprocessed by `each`: (T, 3, H, W) to (frames, 3, height, width).

    Training begins at a random frame, evaluation in the middle. Of a clip that is too short the last frame is
    repeated, and an image without a leading axis is a clip of one frame.
    """

    frames: int
    stride: int
    each: Preprocess

    def __post_init__(self) -> None:
        check_positive(self, "frames", "stride")

    def __call__(
        self, images: Sequence[Tensor], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[UInt8[Tensor, "B frames 3 height width"], list[Placement]]:
        clips = [image[None] if image.ndim == 3 else image for image in images]
        drawn = [None] * len(clips) if generators is None else generators
        chosen = [self._frames(clip, generator) for clip, generator in zip(clips, drawn, strict=True)]
        return each_of(chosen, self.each, generators, "frames")

    def _frames(self, clip: Tensor, generator: torch.Generator | None) -> Tensor:
        spare = max(0, len(clip) - ((self.frames - 1) * self.stride + 1))
        start = spare // 2 if generator is None else int(torch.randint(spare + 1, (), generator=generator))
        return clip[(start + self.stride * torch.arange(self.frames)).clamp(max=len(clip) - 1)]

    @property
    def size(self) -> int:
        return self.each.size

    def whole(self) -> Clips:
        return dataclasses.replace(self, each=self.each.whole())

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "Clips"."""
        return {"kind": "Clips", "frames": self.frames, "stride": self.stride, "each": self.each.to_json()}
