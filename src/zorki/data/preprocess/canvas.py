"""What all kinds of preprocessing share: checks, batches, and images in the middle of a canvas."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.data.preprocess.resize_image import resize_image
from zorki.errors import RecipeError
from zorki.types import Padded, Placement
from zorki.types.arrays import tensor_of

if TYPE_CHECKING:
    from numpy import ndarray
    from torch import Tensor

    from zorki.types.arrays import Pixels


def to_plain(preprocess: Any) -> dict[str, Any]:
    return {"kind": type(preprocess).__name__, **dataclasses.asdict(preprocess)}


LARGEST_SIDE = 1 << 16
"""Pixels of a side of what a network takes."""


def check_positive(preprocess: Any, *names: str) -> None:
    for name in names:
        value = getattr(preprocess, name)
        if value < 1:
            raise RecipeError(f"{type(preprocess).__name__}: {name} must be at least 1 pixel, but is {value}")
        if value > LARGEST_SIDE:
            raise RecipeError(
                f"{type(preprocess).__name__}: {name} must be at most {LARGEST_SIDE:,} pixels, but is {value}"
            )


def check_images(preprocess: Any, images: Sequence[Tensor | ndarray]) -> None:
    for image in images:
        if image.ndim == 3 and image.shape[0] == 3 and str(image.dtype).endswith("uint8"):
            continue
        what = "a clip" if image.ndim == 4 else "an array" if isinstance(image, np.ndarray) else "a tensor"
        raise RecipeError(
            f"{type(preprocess).__name__} takes uint8 images of shape (3, H, W), but was given {what} of shape "
            f"{tuple(image.shape)} and type {image.dtype}"
        )


def new_batch(images: Sequence[Pixels], height: int, width: int, color: Sequence[int] = ()) -> Pixels:
    """A batch for so many images: an array where they are arrays, else a tensor; channel by channel.

    Args:
        color: of all its pixels; none: whatever there is in memory, for whom fills it.
    """
    shape = (len(images), 3, height, width)
    batch: Any = np.empty(shape, np.uint8)
    if not _are_arrays(images):
        import torch

        batch = torch.empty(shape, dtype=torch.uint8)
    for channel, level in enumerate(color):
        batch[:, channel] = level
    return batch  # type: ignore[no-any-return]


def _are_arrays(images: Sequence[Any]) -> bool:
    return len(images) > 0 and isinstance(images[0], np.ndarray)


def stack(images: Sequence[Pixels], height: int, width: int) -> Pixels:
    # Filled in one call; and laid out channel by channel whatever the images' own layout, because convolutions add
    # up in another order on another layout, and the same images shall give the same numbers.
    rows: list[Any] = list(images)
    batch: Any = np.empty((len(rows), 3, height, width), np.uint8)
    if _are_arrays(rows):
        np.stack(rows, out=batch)
        return batch  # type: ignore[no-any-return]
    import torch

    batch = tensor_of(batch)
    return torch.stack(rows, out=batch) if rows else batch  # type: ignore


def scaled(image: Any, scale: float) -> tuple[int, int]:
    return max(1, round(image.shape[1] * scale)), max(1, round(image.shape[2] * scale))


def with_valid(
    batch: Pixels, placements: Sequence[Placement], sizes: Sequence[tuple[int, int]]
) -> tuple[Padded[Pixels], list[Placement]]:
    """The batch with the edges of each image of `sizes` (height, width), which lies at its placement's corner."""
    corners = [(int(placement.left), int(placement.top)) for placement in placements]
    rows = [(x, y, x + width, y + height) for (x, y), (height, width) in zip(corners, sizes, strict=True)]
    return Padded(batch, _edges(rows, batch)), list(placements)


def _edges(rows: Sequence[Sequence[int]], batch: Any) -> Any:
    edges = np.array(rows, np.int64).reshape(-1, 4)
    return edges if isinstance(batch, np.ndarray) else tensor_of(edges)


def center(image: Any, scale: float, out: Any) -> Placement:
    height, width = scaled(image, scale)
    top, left = (out.shape[1] - height) // 2, (out.shape[2] - width) // 2
    out[:, top : top + height, left : left + width] = resize_image(image, height, width)
    return Placement(image.shape[1], image.shape[2], scale, float(left), float(top), out.shape[1], out.shape[2])


# -- batches of some images, joined to that of all --

Part = tuple[Any, list[Placement]]


def join_equal(parts: Sequence[Part]) -> tuple[Any, list[Placement]]:
    """Of preprocessing whose inputs all have one size."""
    batches: list[Any] = [batch for batch, _ in parts]
    placements = [placement for _, own in parts for placement in own]
    if _are_arrays(batches):
        return np.concatenate(batches), placements
    import torch

    return torch.cat(batches), placements


def join_canvases(parts: Sequence[Part], color: Sequence[int], *, centered: bool) -> tuple[Any, list[Placement]]:
    """Of preprocessing whose canvas is that of the largest image: each moves to where it lies on the largest canvas.

    Args:
        color: of the canvas, RGB, 0..255.
        centered: the images lie in the middle, else in the corner.
    """
    batches = [(inputs.images if isinstance(inputs, Padded) else inputs, own) for inputs, own in parts]
    height, width = (max(batch.shape[axis] for batch, _ in batches) for axis in (-2, -1))
    rows = [(image, placement) for batch, own in batches for image, placement in zip(batch, own, strict=True)]
    joined = new_batch([image for image, _ in rows], height, width, color)
    valid = [row for inputs, _ in parts if isinstance(inputs, Padded) for row in inputs.valid.tolist()]
    placements = []
    for number, (image, placement) in enumerate(rows):
        placements.append(_move(image, placement, joined[number], centered=centered))
    if not valid:
        return joined, placements
    moved = [
        [x + int(new.left - old.left) for x in row[::2]] + [y + int(new.top - old.top) for y in row[1::2]]
        for row, new, (_, old) in zip(valid, placements, rows, strict=True)
    ]
    edges = [(left, top, right, bottom) for left, right, top, bottom in moved]
    return Padded(joined, _edges(edges, joined)), placements


def on_canvas(
    part: Part, color: Sequence[int], height: int, width: int, *, centered: bool
) -> tuple[Any, list[Placement]]:
    """A batch of images, without the edges of any, moved to a larger canvas; see `join_canvases`."""
    images, placements = part
    batch = new_batch(list(images), height, width, color)
    moved = [_move(*one, centered=centered) for one in zip(images, placements, batch, strict=True)]
    return batch, moved


def _move(image: Any, placement: Placement, out: Any, *, centered: bool) -> Placement:
    """What is image of a smaller canvas lies as far from the edges as its size tells."""
    left, top = int(placement.left), int(placement.top)
    height = max(1, round(placement.height * placement.scale)) if centered else image.shape[1]
    width = max(1, round(placement.width * placement.scale)) if centered else image.shape[2]
    new_top, new_left = ((out.shape[1] - height) // 2, (out.shape[2] - width) // 2) if centered else (0, 0)
    out[:, new_top : new_top + height, new_left : new_left + width] = image[:, top : top + height, left : left + width]
    return dataclasses.replace(
        placement, left=float(new_left), top=float(new_top), input_height=out.shape[1], input_width=out.shape[2]
    )
