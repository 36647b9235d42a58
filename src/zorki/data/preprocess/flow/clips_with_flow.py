"""Preprocessing for two streams: the middle frame of a clip, and the optical flow between its frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.data.loading.stored_work import precompute_all
from zorki.data.preprocess.clips import Clips, film_of, sampling_json
from zorki.data.preprocess.flow.flow_store import FlowStore
from zorki.data.transforms.varied_film import VariedFilm
from zorki.errors import RecipeError
from zorki.types import Film, FrameAndFlow, Frames, Placement


@dataclass(frozen=True)
class ClipsWithFlow(Clips):
    """Clips of L + 1 frames, as `Clips`, to the frame in the middle and the L fields of flow between them.

    Args:
        limit: pixels of the network's input: of larger shifts so much is kept.
    """

    limit: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames < 2 or not self.limit > 0:
            raise RecipeError(f"ClipsWithFlow: expected 2 frames or more and a limit above 0, got {self}")

    def __call__(  # type: ignore[override]
        self, images: Sequence[Tensor | Frames], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[FrameAndFlow, list[Placement]]:
        """Raises ZorkiError where the flow is not stored, and OpenCV lacks it."""
        drawn = [None] * len(images) if generators is None else generators
        middles: list[Tensor] = []
        flows: list[Tensor] = []
        for image, generator in zip(images, drawn, strict=True):
            film = film_of(image)
            starts = self.starts(film, generator)
            middles += film.at([self.times(film, start)[self.frames // 2] for start in starts])
            flows += [self._flow(film, start) for start in starts]
        count = len(middles) // max(1, len(images))
        inputs, placements = self.each(middles)
        stacked = FrameAndFlow(
            inputs.unflatten(0, (len(images), count)), torch.stack(flows).unflatten(0, (len(images), count))
        )
        return stacked, placements[::count]

    @property
    def pixels(self) -> Clips:
        """The same without flow."""
        return Clips(self.frames, self.stride, self.each, self.rate, self.clips, self.order)

    @property
    def store(self) -> FlowStore:
        """Where flow is kept."""
        return FlowStore(self.stride, self.rate, self.each, self.limit)

    def precompute(self, images: Callable[[int], Any], count: int, *, workers: int, say: Callable[[str], None]) -> int:
        """Works out the flow of the films 0..count-1 that is not stored yet, in parallel."""
        return precompute_all(self.store, _Films(images), count, workers=workers, say=say)

    def _flow(self, film: Film, start: float) -> UInt8[Tensor, "F H W"]:
        plain = film.film if isinstance(film, VariedFilm) and film.keeps_places else film
        if isinstance(plain, VariedFilm) or self.order != "shown" or not self.store.keeps(plain):
            levels = self.store.of_frames(film.at(self.times(film, start)))
            return torch.from_numpy(levels).flatten(0, 1)
        fields = self.store(plain)
        first = int(start * (self.rate or plain.rate))
        places = [min(first + number * self.stride, len(fields) - 1) for number in range(self.frames - 1)]
        levels = fields[places]
        if isinstance(film, VariedFilm) and film.drawn.flip:
            levels = mirrored(levels)
        return torch.from_numpy(np.ascontiguousarray(levels)).flatten(0, 1)

    def whole(self) -> ClipsWithFlow:
        return dataclasses.replace(self, each=self.each.whole())

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "ClipsWithFlow"."""
        return {"kind": "ClipsWithFlow", **sampling_json(self), "limit": self.limit, "each": self.each.to_json()}


@dataclass(frozen=True)
class _Films:
    """The samples' images as films; travels to workers."""

    images: Callable[[int], Any]

    def __call__(self, index: int) -> Film:
        return film_of(self.images(index))


def mirrored(levels: UInt8[np.ndarray, "L 2 H W"]) -> UInt8[np.ndarray, "L 2 H W"]:
    """The flow of mirrored frames: what went to the left goes to the right."""
    turned = levels[..., ::-1].copy()
    turned[:, 0] = 255 - turned[:, 0]
    return turned
