"""A film varied: each of its frames alike, when it is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.data.transforms.augment import Augment, AugmentParameters
from zorki.types import Film


@dataclass(frozen=True, eq=False)
class VariedFilm(Film):
    """The same window, colors and flip for every frame; noise and the covered square, too, are those of one frame.

    Attributes:
        film: as it is.
        drawn: what is done to each of its frames.
        seed: of the noise.
    """

    film: Film
    augment: Augment
    drawn: AugmentParameters
    seed: int

    @property
    def rate(self) -> float:
        return self.film.rate

    @property
    def duration(self) -> float:
        return self.film.duration

    @property
    def size(self) -> tuple[int, int]:
        """Of the frames as they are varied."""
        return (self.drawn.window[2], self.drawn.window[3])

    @property
    def fingerprint(self) -> str:
        return f"{self.film.fingerprint} {self.augment} {self.drawn} {self.seed}"

    def at(self, seconds: Sequence[float]) -> UInt8[Tensor, "T 3 H W"]:
        frames = self.film.at(seconds)
        return torch.stack([self.vary(frame) for frame in frames])

    @property
    def keeps_places(self) -> bool:
        """Whether every pixel stays where it is, or where its mirror image is: colors alone change."""
        whole = self.drawn.window == (0, 0, *self.film.size)
        return whole and not self.drawn.warps and not self.drawn.flip_vertical

    def vary(self, frame: UInt8[Tensor, "3 H W"]) -> UInt8[Tensor, "3 H2 W2"]:
        """A frame of the film varied."""
        return self.augment.vary(frame, self.drawn, torch.Generator().manual_seed(self.seed))
