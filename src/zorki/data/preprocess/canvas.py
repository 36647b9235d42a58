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
