"""Predictions for images of any size: read, asked and joined tile by tile."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from zorki.contracts import Model, Preprocess
from zorki.contracts.capabilities import HasStride, Tiled
from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.windows import WindowedImage
from zorki.engine.device import laid_out
from zorki.errors import RecipeError
from zorki.tiles import AT_ONCE, Tiles, Window
from zorki.types import Placement, map_tensors

USUAL_SHARE = 8  # the overlap is one USUAL_SHAREth of the tile, where nobody said
DRAWN_SIDE = 4096  # pixels: larger images are drawn smaller


@dataclass(frozen=True)
class Tiling:
    """How large images are cut, in their pixels: the side of a tile, what neighbors share, and what does not count.

    `why` the overlap is what it is, for a person.
    """

    tile: int
    overlap: int
    margin: int
    why: str

    def __str__(self) -> str:
        return f"tiles of {self.tile} pixels, overlap {self.overlap}: {self.why}"

    def of(self, height: int, width: int) -> Tiles:
        """The tiles of an image of that size."""
        return Tiles(height, width, self.tile, self.overlap, self.margin)


def plan_tiling(models: Sequence[Model[Any, Any, Any]], tile: int | None, overlap: int | None) -> Tiling | None:
    """The tiling for these models, whose predictions can all be joined; None for no tile.

    Where no overlap is given, it is an eighth of the tile, or twice the largest margin of a model where that is more;
    and at most another eighth more, so that the tiles begin at multiples of the networks' strides: a network that
    pools predicts a shifted image otherwise, if by little.

    Raises:
        RecipeError: a model predicts for whole images alone, the sizes do not go together, or the tile is missing.
    """
    if tile is None:
        if overlap is not None:
            raise RecipeError(f"overlap is {overlap}, but there are no tiles to overlap; give a tile too, such as 512")
        return None
    sizes = Tiles(tile, tile, tile, 0)  # complains of an impossible tile
    tiled = [_tiled(model) for model in models]
    for model in tiled:
        model.stitcher(sizes)
    scales = [_scale(model, tile) for model in models]
    margin = max(math.ceil(model.margin / scale) for model, scale in zip(tiled, scales, strict=True))
    tiling = Tiling(tile, overlap or 0, margin, "as asked")
    if overlap is None:
        tiling = _usual(tile, margin, [_stride(model, scale) for model, scale in zip(models, scales, strict=True)])
    tiling.of(tile, tile)  # complains of an impossible overlap
    return tiling


def _usual(tile: int, margin: int, strides: Sequence[int]) -> Tiling:
    least, why = tile // USUAL_SHARE, "an eighth of the tile"
    if 2 * margin > least:
        least, why = 2 * margin, f"twice the {margin} pixels that the network predicts without surroundings"
    stride = math.lcm(*strides)
    step = (tile - least) // stride * stride
    overlap = tile - step
    if least < overlap <= min(least + tile // USUAL_SHARE, tile // 2 + margin):
        return Tiling(tile, overlap, margin, f"{why}, and tiles begin at multiples of {stride}")
    return Tiling(tile, least, margin, why)


def _tiled(model: Model[Any, Any, Any]) -> Tiled[Any, Any]:
    if not isinstance(model, Tiled):
        raise RecipeError(
            f"{type(model).__name__} predicts for a whole image, so tiles of it cannot be joined; leave --tile out"
        )
    return model


def _scale(model: Model[Any, Any, Any], tile: int) -> float:
    """At which a model sees a square tile; the smaller one of its sides'."""
    if _tiled(model).margin == 0 and not isinstance(model.preprocess, HasStride):
        return 1.0  # nobody asks; and some look for proposals in every image
    _, (placement,) = model.preprocess([torch.zeros((3, tile, tile), dtype=torch.uint8)])
    return min(placement.scales)


def _stride(model: Model[Any, Any, Any], scale: float) -> int:
    """The stride of a network in pixels of the image, where it is a whole number, else 1."""
    stride = (model.preprocess.stride if isinstance(model.preprocess, HasStride) else 1) / scale
    return int(stride) if stride.is_integer() else 1


def can_tile(model: Model[Any, Any, Any]) -> bool:
    """Whether the predictions of a model for tiles can be joined."""
    return isinstance(model, Tiled)


def predict_tiles(
    models: Sequence[Model[Any, Any, Any]],
    image: WindowedImage,
    tiles: Tiles,
    *,
    batch_size: int = AT_ONCE,
    device: str | torch.device = "cpu",
) -> list[Any]:
    """The prediction of each model for one image, of which `batch_size` tiles are held at a time.

    Raises:
        DataError: the image's file is broken.
    """
    stitchers = [_tiled(model).stitcher(tiles) for model in models]
    prepared = _for_parts_of([model.preprocess for model in models], image)
    with torch.inference_mode():
        for images in _read_ahead(image, tiles, batch_size):
            for model, preprocess, stitcher in zip(models, prepared, stitchers, strict=True):
                inputs, placements = preprocess(images)
                outputs = model(laid_out(map_tensors(inputs, lambda tensor: tensor.to(device)), model))
                stitcher.add(outputs, placements)
    return [stitcher.finish() for stitcher in stitchers]


def _for_parts_of(preprocesses: Sequence[Preprocess], image: WindowedImage) -> list[Preprocess]:
    """Each preprocessing for tiles of the image: what is taken from it as a whole is, read once, in a small copy."""
    if not any(isinstance(one, Letterbox) and one.looks_at_levels for one in preprocesses):
        return list(preprocesses)
    whole, _ = _shrunk(image)
    return [one.for_parts_of(whole) if isinstance(one, Letterbox) else one for one in preprocesses]


def _read_ahead(image: WindowedImage, tiles: Iterable[Window], size: int) -> Iterator[list[Tensor]]:
    """Batches of windows; the next is read while one is predicted."""

    def read(windows: Sequence[Window]) -> list[Tensor]:
        return [image.read(window.top, window.left, window.height, window.width) for window in windows]

    windows = iter(tiles)
    with ThreadPoolExecutor(1) as pool:  # one: libvips' regions are for one thread at a time
        waiting = pool.submit(read, list(islice(windows, size)))
        while batch := waiting.result():
            waiting = pool.submit(read, list(islice(windows, size)))
            yield batch


def small_copy(source_image: WindowedImage, prediction: Any) -> tuple[Tensor, Any]:
    """Image and prediction to be drawn: themselves, or shrunk by a whole factor to DRAWN_SIDE pixels at most."""
    image, factor = _shrunk(source_image)
    if factor == 1:
        return image, prediction
    height, width = image.shape[1:]
    # Up to factor - 1 rows and columns at the end are cut off.
    placement = Placement(source_image.height, source_image.width, 1 / factor, input_height=height, input_width=width)
    return image, prediction.place(placement)


def _shrunk(image: WindowedImage) -> tuple[Tensor, int]:
    """The image made smaller by a whole factor, to DRAWN_SIDE pixels at most, but to one at least; and the factor."""
    factor = math.ceil(max(image.height, image.width) / DRAWN_SIDE)
    factor = min(factor, image.height, image.width)
    whole = image.read(0, 0, image.height, image.width) if factor == 1 else image.shrunk(factor)
    return whole, factor
