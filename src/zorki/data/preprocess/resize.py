"""Resize to a square, whatever the shape of the image."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zorki.data.preprocess.canvas import check_images, check_positive, join_equal, stack, to_plain
from zorki.data.preprocess.resize_image import resize_image
from zorki.types import Placement

if TYPE_CHECKING:
    import torch
    from jaxtyping import UInt8

    from zorki.types.arrays import Pixels


@dataclass(frozen=True)
class Resize:
    """The whole image, squeezed or stretched to `size` x `size` pixels whatever its own shape: SSD's (Liu, 2016)."""

    size: int

    def __post_init__(self) -> None:
        check_positive(self, "size")

    def __call__(
        self, images: Sequence[Pixels], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[UInt8[Pixels, "B 3 size size"], list[Placement]]:
        """uint8 images (3, H, W) of any sizes to one batch. Raises RecipeError for clips."""
        check_images(self, images)
        size = self.size
        placements = []
        for image in images:
            height, width = image.shape[1:]
            placement = Placement(height, width, size / height, input_height=size, input_width=size)
            placements.append(dataclasses.replace(placement, stretch=height / width))
        return stack([resize_image(image, size, size) for image in images], size, size), placements

    def join(self, parts: Sequence[tuple[Any, list[Placement]]]) -> tuple[Any, list[Placement]]:
        """One batch of several; see `JoinsParts`."""
        return join_equal(parts)

    def whole(self) -> Resize:
        """Itself: it cuts nothing off."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "Resize"."""
        return to_plain(self)
