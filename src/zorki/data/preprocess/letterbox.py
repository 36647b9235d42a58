"""Letterbox: the whole image on a gray canvas."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from zorki.data.preprocess.canvas import (
    center,
    check_images,
    check_positive,
    join_canvases,
    new_batch,
    on_canvas,
    scaled,
    stack,
    to_plain,
    with_valid,
)
from zorki.data.preprocess.contrast import black_and_white, has_bright_ground, stretch_contrast, value_counts
from zorki.types import Padded, Placement

if TYPE_CHECKING:
    import torch
    from jaxtyping import UInt8
    from numpy import ndarray
    from torch import Tensor

    from zorki.types.arrays import Pixels


@dataclass(frozen=True)
class Letterbox:
    """The whole image, its longer side scaled to `size`, in the middle of a gray canvas.

    The canvas is the smallest that holds every image of the batch and whose sides are multiples of `stride`, so a
    batch of wide images costs no square. Gray is 114, as in YOLO (Redmon & Farhadi, 2018; Darknet's letterbox).
    `size` and `stride` are in pixels, at least 1. No side of the canvas is below `least`, so that a strip keeps pixels
    behind a network's strides and pools.

    With `autocontrast` each image is stretched from black to white before (`contrast_levels`), which evens out what
    microscopes and exposures do. With `dark_ground` an image most of which is bright, between its own black and white,
    is turned to its negative: things that shine on black and things stained on white become one kind. `levels`, those
    that become black and white, are known ones for images that are parts of another.

    With `padded` the batch is `Padded`, which tells where on its canvas each image lies.
    """

    canvas: ClassVar = (114, 114, 114)
    size: int
    stride: int = 32
    autocontrast: bool = False
    dark_ground: bool = False
    levels: tuple[int, int] | None = None
    padded: bool = False
    least: int = 1

    def __post_init__(self) -> None:
        check_positive(self, "size", "stride", "least")

    def __call__(
        self, images: Sequence[Pixels], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[UInt8[Pixels, "B 3 height width"] | Padded[Pixels], list[Placement]]:
        """uint8 images (3, H, W) of any sizes to one batch. Raises RecipeError for clips."""
        check_images(self, images)
        if self.looks_at_levels:
            images = [stretch_contrast(image, *(self.levels or self._levels_of(image))) for image in images]
        scales = [self.size / max(image.shape[1:]) for image in images]
        sizes = [scaled(image, scale) for image, scale in zip(images, scales, strict=True)] or [(self.size, self.size)]
        height, width = (
            math.ceil(max(*sides, self.least) / self.stride) * self.stride for sides in zip(*sizes, strict=True)
        )
        if images and all(size == (height, width) == image.shape[1:] for size, image in zip(sizes, images)):
            batch = stack(images, height, width)
            placements = [Placement(height, width, input_height=height, input_width=width)] * len(images)
        else:
            batch = new_batch(images, height, width, self.canvas)
            placements = [center(*one) for one in zip(images, scales, batch, strict=True)]
        return with_valid(batch, placements, sizes[: len(images)]) if self.padded else (batch, placements)

    def join(self, parts: Sequence[tuple[Any, list[Placement]]]) -> tuple[Any, list[Placement]]:
        """One batch of several; see `JoinsParts`."""
        return join_canvases(parts, self.canvas, centered=True)

    def on_canvas(self, part: tuple[Any, list[Placement]], height: int, width: int) -> tuple[Any, list[Placement]]:
        """A batch on a larger canvas of that size, for networks of one size alone."""
        return on_canvas(part, self.canvas, height, width, centered=True)

    def whole(self) -> Letterbox:
        """Itself: it cuts nothing off."""
        return self

    def for_parts_of(self, image: UInt8[Tensor | ndarray, "3 H W"]) -> Letterbox:
        """Itself for tiles of the image, which have the contrast of the whole, and are negatives where it is."""
        return dataclasses.replace(self, levels=self._levels_of(image)) if self.looks_at_levels else self

    @property
    def looks_at_levels(self) -> bool:
        """Whether what becomes of a pixel hangs on the whole image."""
        return self.autocontrast or self.dark_ground

    def _levels_of(self, image: Any) -> tuple[int, int]:
        counts = value_counts(image)
        bright = self.dark_ground and has_bright_ground(counts)
        black, white = black_and_white(counts[::-1] if bright else counts) if self.autocontrast else (0, 255)
        return (255 - black, 255 - white) if bright else (black, white)

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "Letterbox"."""
        return to_plain(self)
