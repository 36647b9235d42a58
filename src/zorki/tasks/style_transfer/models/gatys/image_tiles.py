"""Parts of an image whose features, side by side, are those of the whole: for images too large to be held at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from zorki.tasks.style_transfer.perceptual import Geometry


@dataclass(frozen=True)
class Span:
    """A part of one axis: pixels `start` to `end` are its own, and it is computed from `low` to `high`."""

    start: int
    end: int
    low: int
    high: int
    last: bool

    def own(self, geometry: Geometry) -> slice:
        """Its own features among those computed from `low` to `high`."""
        first = (self.start - self.low) // geometry.stride
        return slice(first, None if self.last else (self.end - self.low) // geometry.stride)

    def place(self, geometry: Geometry) -> int:
        """The number of its first own feature among those of the whole axis."""
        return self.start // geometry.stride


@dataclass(frozen=True)
class ImageTile:
    """A part of an image."""

    rows: Span
    columns: Span

    def cut(self, image: Tensor) -> Tensor:
        """The pixels from which its features are computed."""
        return image[..., self.rows.low : self.rows.high, self.columns.low : self.columns.high]

    def own(self, maps: Mapping[str, Tensor], geometry: Mapping[str, Geometry]) -> dict[str, Tensor]:
        """Of feature maps of `cut` pixels those features that are its own."""
        return {
            layer: features[..., self.rows.own(geometry[layer]), self.columns.own(geometry[layer])]
            for layer, features in maps.items()
        }

    def part_of(self, whole: Tensor, own: Tensor, geometry: Geometry) -> Tensor:
        """What of a map of the whole image lies where its `own` features do."""
        top, left = self.rows.place(geometry), self.columns.place(geometry)
        return whole[..., top : top + own.shape[-2], left : left + own.shape[-1]]


def tiles_of(height: int, width: int, geometry: Mapping[str, Geometry], side: int) -> list[ImageTile]:
    """Tiles of about `side` pixels, the margin counted, that cover an image; one where it is not much larger.

    Each feature belongs to one tile, which reaches as far beyond its own pixels as its features see. Edges of tiles are
    multiples of the coarsest stride, so that windows of pools stand where they do in the whole.
    """
    if height * width <= side * side:
        return [ImageTile(_whole(height), _whole(width))]
    return [
        ImageTile(rows, columns) for rows in _spans(height, geometry, side) for columns in _spans(width, geometry, side)
    ]


def _whole(length: int) -> Span:
    return Span(0, length, 0, length, last=True)


def _spans(length: int, geometry: Mapping[str, Geometry], side: int) -> list[Span]:
    stride = max(one.stride for one in geometry.values())
    before = _rounded(max(one.before for one in geometry.values()), stride)
    after = _rounded(max(one.field for one in geometry.values()), stride)
    step = max(stride, (side - before - after) // stride * stride)
    # A last part that is shorter than what features see joins the one before.
    starts = [start for start in range(0, length, step) if start == 0 or length - start > after]
    ends = [*starts[1:], length]
    return [
        Span(start, end, max(0, start - before), min(length, end + after), last=end == length)
        for start, end in zip(starts, ends, strict=True)
    ]


def _rounded(pixels: int, stride: int) -> int:
    return -(-pixels // stride) * stride
