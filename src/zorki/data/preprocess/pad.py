"""Pad to a square, unscaled."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zorki.data.preprocess.canvas import center, check_images, check_positive, join_equal, new_batch, stack, to_plain
from zorki.types import Placement

if TYPE_CHECKING:
    import torch
    from jaxtyping import UInt8

    from zorki.types.arrays import Pixels


@dataclass(frozen=True)
class Pad:
    """The whole image, unscaled, in the middle of a black `size` x `size` canvas; larger ones are shrunk to fit.

    For images whose pixels mean something as they are (digits, glyphs). `size` is in pixels, at least 1;
    `reduced_jpeg` as in `ResizeCrop`.
    """

    size: int
    reduced_jpeg: bool = False

    def __post_init__(self) -> None:
        check_positive(self, "size")

    def __call__(
        self, images: Sequence[Pixels], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[UInt8[Pixels, "B 3 size size"], list[Placement]]:
        """uint8 images (3, H, W) of any sizes to one batch. Raises RecipeError for clips."""
        check_images(self, images)
        size = self.size
        if all(image.shape[1] == size == image.shape[2] for image in images):
            return stack(images, size, size), [Placement(size, size, input_height=size, input_width=size)] * len(images)
        batch = new_batch(images, size, size, (0, 0, 0))
        scales = [min(1.0, size / max(image.shape[1:])) for image in images]
        return batch, [center(image, scale, out) for image, scale, out in zip(images, scales, batch, strict=True)]

    @property
    def decoded_side(self) -> int | None:
        """Twice the canvas, where JPEG files are decoded at a part of their size; see `ResizeCrop`."""
        return 2 * self.size if self.reduced_jpeg else None

    def reduced(self) -> Pad:
        """The same with `reduced_jpeg`."""
        return dataclasses.replace(self, reduced_jpeg=True)

    def join(self, parts: Sequence[tuple[Any, list[Placement]]]) -> tuple[Any, list[Placement]]:
        """One batch of several; see `JoinsParts`."""
        return join_equal(parts)

    def whole(self) -> Pad:
        """Itself: it cuts nothing off."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "Pad"."""
        return to_plain(self)
