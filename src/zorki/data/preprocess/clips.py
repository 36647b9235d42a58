"""Preprocessing of films to clips: some of their frames, by time, stacked."""

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
from zorki.data.video.films import HeldFilm
from zorki.errors import RecipeError
from zorki.types import Film, Frames, Placement

ORDERS = ("shown", "middle", "shuffled")


@dataclass(frozen=True)
class Clips:
    """`frames` frames, every `stride`-th of a film sampled at `rate` frames a second, each preprocessed by `each`.

    Training draws one clip from a random moment on. Evaluation takes `clips` of them, evenly spaced from the beginning
    to the end, or from the middle where it takes one: (frames, 3, height, width), or (clips, frames, 3, ...).
    Of a film that is too short the last frame is repeated, and an image is a film of one frame.

    A tensor (T, 3, H, W) is a film of `FRAME_RATE` frames a second.

    Args:
        rate: frames a second; 0 takes the film's own frames, whatever their rate.
        order: of the frames in a clip: as "shown"; "middle": the middle one in the place of all; "shuffled", always
            alike. What a network makes of the last two tells whether it sees motion.
    """

    frames: int
    stride: int
    each: Preprocess
    rate: float = 0.0
    clips: int = 1
    order: str = "shown"

    def __post_init__(self) -> None:
        check_positive(self, "frames", "stride", "clips")
        if self.order not in ORDERS:
            raise RecipeError(f"Clips: order is {self.order!r}; expected one of {', '.join(ORDERS)}")
        if not 0 <= self.rate < 1e6:
            raise RecipeError(f"Clips: rate must be 0 or above, in frames a second, but is {self.rate}")

    def __call__(
        self, images: Sequence[Tensor | Frames], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[UInt8[Tensor, "B *clips frames 3 height width"], list[Placement]]:
        drawn = [None] * len(images) if generators is None else generators
        clips = self.clips if generators is None else 1
        chosen = [self.sample(film_of(image), generator) for image, generator in zip(images, drawn, strict=True)]
        inputs, placements = each_of(chosen, self.each, generators, "frames")
        return inputs.unflatten(1, (clips, self.frames)) if clips > 1 else inputs, placements

    def sample(self, film: Film, generator: torch.Generator | None) -> UInt8[Tensor, "T 3 H W"]:
        """The frames of all clips, one clip after the other. Raises DataError as `Film.at`."""
        return film.at([time for start in self.starts(film, generator) for time in self.times(film, start)])

    def step(self, film: Film) -> float:
        """Seconds from a frame of a clip to the next."""
        return self.stride / (self.rate or film.rate)

    def times(self, film: Film, start: float) -> list[float]:
        """The moments of the frames of a clip that begins at `start` seconds, in their order."""
        return [start + number * self.step(film) for number in self.numbers()]

    def numbers(self) -> list[int]:
        """Which frames of a clip are taken one after the other, from 0."""
        if self.order == "middle":
            return [self.frames // 2] * self.frames
        if self.order == "shuffled":
            return torch.randperm(self.frames, generator=torch.Generator().manual_seed(self.frames)).tolist()
        return list(range(self.frames))

    def reduced_inputs(self) -> dict[str, Preprocess]:
        """Clips in which nothing moves, and clips that move in no order; see `ReducesInputs`."""
        return {
            "middle frame": dataclasses.replace(self, order="middle", clips=1),
            "shuffled frames": dataclasses.replace(self, order="shuffled"),
        }

    def starts(self, film: Film, generator: torch.Generator | None) -> list[float]:
        """Where clips begin, in seconds: a random moment for one who draws, else evenly spaced ones."""
        grid = 1 / (self.rate or film.rate)
        # Whole frames are counted where the film's own are taken, so that none is met at its edge.
        spare = max(0, round(film.duration / grid) - ((self.frames - 1) * self.stride + 1))
        if generator is not None:
            places = [int(torch.randint(spare + 1, (), generator=generator))]
        elif self.clips == 1:
            places = [spare // 2]
        else:
            places = [round(number * spare / (self.clips - 1)) for number in range(self.clips)]
        return [(place + 0.5) * grid for place in places]

    @property
    def size(self) -> int:
        return self.each.size

    def whole(self) -> Clips:
        return dataclasses.replace(self, each=self.each.whole())

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "Clips"."""
        return {"kind": "Clips", **sampling_json(self), "each": self.each.to_json()}


def sampling_json(clips: Clips) -> dict[str, Any]:
    """Which frames of a film are taken, as plain values."""
    return {"frames": clips.frames, "stride": clips.stride, "rate": clips.rate, "clips": clips.clips}


def film_of(image: Tensor | Frames) -> Film:
    """An image, or frames, as a film."""
    if isinstance(image, Film):
        return image
    if isinstance(image, Frames):
        return HeldFilm(torch.stack(list(image)))
    return HeldFilm(image[None] if image.ndim == 3 else image)
