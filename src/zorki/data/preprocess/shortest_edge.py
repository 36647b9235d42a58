"""Resize the shortest edge, as two-stage detectors do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from zorki.data.preprocess.canvas import (
    check_images,
    check_positive,
    join_canvases,
    new_batch,
    on_canvas,
    to_plain,
    with_valid,
)
from zorki.data.preprocess.resize_image import resize_image
from zorki.errors import RecipeError
from zorki.types import Padded, Placement

if TYPE_CHECKING:
    import torch
    from jaxtyping import UInt8

    from zorki.types.arrays import Pixels


@dataclass(frozen=True)
class ShortestEdge:
    """The whole image, its shorter side scaled to `shorter`, or its longer to `longest` where that is less.

    It lies in the top left of a canvas that holds every image of the batch and whose sides are multiples of
    `stride`, filled with ImageNet's mean color. Detectors of torchvision's kind (Ren et al., 2015, section 3.3) are
    trained so. All in pixels, at least 1. With `padded` the batch is `Padded`, which tells where the images lie.
    Without `enlarge` images that are smaller keep their size.
    """

    canvas: ClassVar = (124, 116, 104)  # what (0.485, 0.456, 0.406) is in levels
    shorter: int
    longest: int
    stride: int = 32
    padded: bool = False
    enlarge: bool = True

    def __post_init__(self) -> None:
        check_positive(self, "shorter", "longest", "stride")
        if self.longest < self.shorter:
            raise RecipeError(f"ShortestEdge: longest ({self.longest}) must be at least shorter ({self.shorter})")

    def __call__(
        self, images: Sequence[Pixels], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[UInt8[Pixels, "B 3 height width"] | Padded[Pixels], list[Placement]]:
        """uint8 images (3, H, W) of any sizes to one batch. Raises RecipeError for clips."""
        check_images(self, images)
        scales = [min(self.shorter / min(image.shape[1:]), self.longest / max(image.shape[1:])) for image in images]
        scales = scales if self.enlarge else [min(1.0, scale) for scale in scales]
        # Torchvision rounds down; what a float misses by its last bit shall not cost a pixel.
        sizes = [
            (max(1, int(image.shape[1] * scale + 1e-6)), max(1, int(image.shape[2] * scale + 1e-6)))
            for image, scale in zip(images, scales, strict=True)
        ] or [(self.shorter, self.shorter)]
        height, width = (math.ceil(max(sides) / self.stride) * self.stride for sides in zip(*sizes, strict=True))
        batch = new_batch(images, height, width, self.canvas)
        placements = []
        for image, scale, size, out in zip(images, scales, sizes, batch):  # `sizes` may be the default
            out[:, : size[0], : size[1]] = resize_image(image, *size)
            placements.append(Placement(image.shape[1], image.shape[2], scale, 0.0, 0.0, height, width))
        return with_valid(batch, placements, sizes[: len(images)]) if self.padded else (batch, placements)

    @property
    def size(self) -> int:
        """What a square image becomes: `shorter`."""
        return self.shorter

    def join(self, parts: Sequence[tuple[Any, list[Placement]]]) -> tuple[Any, list[Placement]]:
        """One batch of several; see `JoinsParts`."""
        return join_canvases(parts, self.canvas, centered=False)

    def on_canvas(self, part: tuple[Any, list[Placement]], height: int, width: int) -> tuple[Any, list[Placement]]:
        """A batch on a larger canvas of that size, for networks of one size alone."""
        return on_canvas(part, self.canvas, height, width, centered=False)

    def whole(self) -> ShortestEdge:
        """Itself: it cuts nothing off."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "ShortestEdge"."""
        return to_plain(self)
