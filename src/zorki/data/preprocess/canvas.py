"""What all kinds of preprocessing share: checks, batches, and images in the middle of a canvas."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zorki.data.preprocess.resize_image import resize_image
from zorki.errors import RecipeError
from zorki.types import Padded, Placement


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


def check_images(preprocess: Any, images: Sequence[Tensor]) -> None:
    for image in images:
        if image.ndim == 3 and image.shape[0] == 3 and image.dtype == torch.uint8:
            continue
        what = "a clip" if image.ndim == 4 else "a tensor"
        raise RecipeError(
            f"{type(preprocess).__name__} takes uint8 images of shape (3, H, W), but was given {what} of shape "
            f"{tuple(image.shape)} and type {image.dtype}"
        )


def stack(images: Sequence[Tensor], height: int, width: int) -> Tensor:
    # Filled in one call; and laid out channel by channel whatever the images' own layout, because convolutions add
    # up in another order on another layout, and the same images shall give the same numbers.
    batch = torch.empty((len(images), 3, height, width), dtype=torch.uint8)
    return torch.stack(list(images), out=batch) if images else batch


def scaled(image: Tensor, scale: float) -> tuple[int, int]:
    return max(1, round(image.shape[1] * scale)), max(1, round(image.shape[2] * scale))


def with_valid(
    batch: Tensor, placements: Sequence[Placement], sizes: Sequence[tuple[int, int]]
) -> tuple[Padded, list[Placement]]:
    """The batch with the edges of each image of `sizes` (height, width), which lies at its placement's corner."""
    corners = [(int(placement.left), int(placement.top)) for placement in placements]
    rows = [(x, y, x + width, y + height) for (x, y), (height, width) in zip(corners, sizes, strict=True)]
    return Padded(batch, torch.tensor(rows, dtype=torch.int64).reshape(-1, 4)), list(placements)


def center(image: Tensor, scale: float, out: Tensor) -> Placement:
    height, width = scaled(image, scale)
    top, left = (out.shape[1] - height) // 2, (out.shape[2] - width) // 2
    out[:, top : top + height, left : left + width] = resize_image(image, height, width)
    return Placement(image.shape[1], image.shape[2], scale, float(left), float(top), out.shape[1], out.shape[2])


# -- batches of some images, joined to that of all --

Part = tuple[Any, list[Placement]]


def join_equal(parts: Sequence[Part]) -> tuple[Tensor, list[Placement]]:
    """Of preprocessing whose inputs all have one size."""
    return torch.cat([batch for batch, _ in parts]), [placement for _, own in parts for placement in own]


def join_canvases(
    parts: Sequence[Part], color: Sequence[int], *, centered: bool
) -> tuple[Tensor | Padded, list[Placement]]:
    """Of preprocessing whose canvas is that of the largest image: each moves to where it lies on the largest canvas.

    Args:
        color: of the canvas, RGB, 0..255.
        centered: the images lie in the middle, else in the corner.
    """
    batches = [(inputs.images if isinstance(inputs, Padded) else inputs, own) for inputs, own in parts]
    height, width = (max(batch.shape[axis] for batch, _ in batches) for axis in (-2, -1))
    count = sum(len(batch) for batch, _ in batches)
    canvas = torch.tensor(color, dtype=torch.uint8)[:, None, None]
    joined = torch.empty((count, 3, height, width), dtype=torch.uint8).copy_(canvas.expand(count, 3, height, width))
    rows = [(image, placement) for batch, own in batches for image, placement in zip(batch, own, strict=True)]
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
    edges = torch.tensor(moved, dtype=torch.int64)[:, [0, 2, 1, 3]]
    return Padded(joined, edges), placements


def _move(image: Tensor, placement: Placement, out: Tensor, *, centered: bool) -> Placement:
    """What is image of a smaller canvas lies as far from the edges as its size tells."""
    left, top = int(placement.left), int(placement.top)
    height = max(1, round(placement.height * placement.scale)) if centered else image.shape[1]
    width = max(1, round(placement.width * placement.scale)) if centered else image.shape[2]
    new_top, new_left = ((out.shape[1] - height) // 2, (out.shape[2] - width) // 2) if centered else (0, 0)
    out[:, new_top : new_top + height, new_left : new_left + width] = image[:, top : top + height, left : left + width]
    return dataclasses.replace(
        placement, left=float(new_left), top=float(new_top), input_height=out.shape[1], input_width=out.shape[2]
    )
