"""An image cut into equal windows that overlap, what each of them counts for, and the joining of their predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

from zorki.errors import RecipeError
from zorki.types import Placement

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float
    from torch import Tensor

O = TypeVar("O")  # raw outputs of a network  # noqa: E741
P = TypeVar("P")  # prediction

AT_ONCE = 4  # tiles a step, where nobody said


@dataclass(frozen=True)
class Window:
    """Whole pixels of an image: rows [top, top + height), columns [left, left + width)."""

    top: int
    left: int
    height: int
    width: int

    @property
    def xyxy(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom."""
        return self.left, self.top, self.left + self.width, self.top + self.height


@dataclass(frozen=True)
class Share:
    """What a tile counts for along one axis: the pixels [begin, end) of the image.

    The first `rise` pixels are shared with the tile before, the last `fall` with the one behind. `start` is where the
    tile itself begins, which may be earlier.
    """

    start: int
    begin: int
    end: int
    rise: int
    fall: int

    @property
    def inside(self) -> slice:
        """The pixels that count, in those of the tile."""
        return slice(self.begin - self.start, self.end - self.start)

    def weights(self, device: torch.device | str = "cpu") -> Float[Tensor, " L"]:
        """Of the pixels [begin, end): a ramp where they are shared, else 1. With the neighbor's they sum to 1."""
        import torch

        weights = torch.ones(self.end - self.begin, device=device)
        if self.rise:
            weights[: self.rise] = _ramp(self.rise, device)
        if self.fall:
            weights[-self.fall :] = 1 - _ramp(self.fall, device)
        return weights


def _ramp(length: int, device: torch.device | str) -> Tensor:
    import torch

    return (torch.arange(length, device=device) + 0.5) / length


@dataclass(frozen=True)
class Tiles:
    """Windows of one size that cover an image, row by row: `for window in tiles`.

    They lie a step of `tile` - `overlap` pixels apart. The last of a row or column is shifted inward, so that it does
    not leave the image; an image smaller than a tile is one window. All in pixels of the image.

    Args:
        height, width: of the image.
        tile: the side of a window.
        overlap: what neighbors share.
        margin: at the inner edges of a tile, so many pixels do not count: a network had no surroundings for them. What
            neighbors share beyond both their margins is blended.

    Raises:
        RecipeError: the tile is empty or no larger than its margins; or the overlap is less than two margins, or so
            large that three tiles in a row would share a pixel.
    """

    height: int
    width: int
    tile: int
    overlap: int
    margin: int = 0

    def __post_init__(self) -> None:
        if self.tile < 1:
            raise RecipeError(f"tile is {self.tile}; expected at least 1 pixel, such as the side of a training image")
        if self.overlap < 0:
            raise RecipeError(f"overlap is {self.overlap}; expected at least 0 pixels")
        if self.tile <= 2 * self.margin:
            raise RecipeError(
                f"tile is {self.tile}, but the network predicts without surroundings for {self.margin} pixels at each "
                f"edge of a tile; expected more than {2 * self.margin}"
            )
        if self.overlap < 2 * self.margin:
            raise RecipeError(
                f"overlap is {self.overlap}, but the network predicts without surroundings for {self.margin} pixels at "
                f"each edge of a tile; expected at least {2 * self.margin}, or leave it out"
            )
        most = min(self.tile // 2 + self.margin, self.tile - 1)
        if self.overlap > most:
            raise RecipeError(f"overlap is {self.overlap} for tiles of {self.tile} pixels; expected at most {most}")

    @cached_property
    def rows(self) -> list[Share]:
        """What each row of tiles counts for, from the top."""
        return self._axis(self.height)

    @cached_property
    def columns(self) -> list[Share]:
        """What each column of tiles counts for, from the left."""
        return self._axis(self.width)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every window."""
        return min(self.tile, self.height), min(self.tile, self.width)

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[Window]:
        height, width = self.size
        for row in self.rows:
            for column in self.columns:
                yield Window(row.start, column.start, height, width)

    def _axis(self, length: int) -> list[Share]:
        if length <= self.tile:
            return [Share(0, 0, length, 0, 0)]
        step, shared = self.tile - self.overlap, self.overlap - 2 * self.margin
        starts = [*range(0, length - self.tile, step), length - self.tile]
        shares, end = [], 0
        for place, start in enumerate(starts):
            first, last = place == 0, place == len(starts) - 1
            begin = 0 if first else end - shared
            end = length if last else start + self.tile - self.margin
            shares.append(Share(start, begin, end, 0 if first else shared, 0 if last else shared))
        return shares


class Stitcher(ABC, Generic[O, P]):
    """Joins what a network says of the tiles of one image to the prediction for the image."""

    @abstractmethod
    def add(self, outputs: O, placements: Sequence[Placement]) -> None:
        """Raw outputs for the next tiles, in the order of `Tiles`; `placements` tell where each lies in the inputs."""

    @abstractmethod
    def finish(self) -> P:
        """The prediction in the pixels of the image, when all tiles were added."""
