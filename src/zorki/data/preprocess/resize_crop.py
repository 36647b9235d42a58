"""Resize the shorter side, then crop the center: classification."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zorki.data.preprocess.canvas import check_images, check_positive, join_equal, new_batch, stack, to_plain
from zorki.data.preprocess.resize_image import resize_image
from zorki.errors import RecipeError
from zorki.types import Placement

if TYPE_CHECKING:
    import torch
    from jaxtyping import UInt8

    from zorki.types.arrays import Pixels


@dataclass(frozen=True)
class ResizeCrop:
    """A square from the middle: the shorter side to round(size / crop_share), then the center `size` x `size`.

    Torchvision's Resize and CenterCrop in one. `size` is in pixels; `crop_share` is the cut's share of the shorter
    side, in (0, 1]: 224 / 256 = 0.875 for most ImageNet weights. `reduced_jpeg` has JPEG files decoded at a part of
    their size, which must be the same in training and later: pixels differ by a few levels. Raises RecipeError outside
    these ranges.
    """

    size: int
    crop_share: float = 1.0
    reduced_jpeg: bool = False

    def __post_init__(self) -> None:
        check_positive(self, "size")
        if not 0 < self.crop_share <= 1:
            raise RecipeError(f"ResizeCrop: crop_share must lie in (0, 1], but is {self.crop_share}")

    def __call__(
        self, images: Sequence[Pixels], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[UInt8[Pixels, "B 3 size size"], list[Placement]]:
        """uint8 images (3, H, W) of any sizes to one batch. Raises RecipeError for clips."""
        check_images(self, images)
        size, shorter = self.size, self._shorter
        if shorter == size and all(image.shape[1] == size == image.shape[2] for image in images):
            return stack(images, size, size), [Placement(size, size, input_height=size, input_width=size)] * len(images)
        batch = new_batch(images, size, size)
        return batch, [self._fit(image, shorter, out) for image, out in zip(images, batch, strict=True)]

    @property
    def _shorter(self) -> int:
        return round(self.size / self.crop_share)

    @property
    def decoded_side(self) -> int | None:
        """Twice the side that is resized to, where JPEG files are decoded at a part of their size."""
        # Libjpeg's reduction is a box filter of its own kind; the resize that follows still halves at least, so that
        # its filter, and not that one, decides what is seen.
        return 2 * self._shorter if self.reduced_jpeg else None

    def reduced(self) -> ResizeCrop:
        """The same with `reduced_jpeg`."""
        return dataclasses.replace(self, reduced_jpeg=True)

    def _fit(self, image: Any, shorter: int, out: Any) -> Placement:
        whole_height, whole_width = image.shape[1:]
        image, skipped_top, skipped_left = _cut_strip(image)
        height, width = image.shape[1:]
        least = min(height, width)
        # Torchvision rounds the longer side down, and the cut's corner to the nearest pixel.
        new_height, new_width = (side * shorter // least for side in (height, width))
        top, left = round((new_height - self.size) / 2), round((new_width - self.size) / 2)
        resized = resize_image(image, new_height, new_width)
        out[:] = resized[:, top : top + self.size, left : left + self.size]
        scale = shorter / least
        return Placement(
            whole_height,
            whole_width,
            scale,
            float(-left) - skipped_left * scale,
            float(-top) - skipped_top * scale,
            self.size,
            self.size,
        )

    def join(self, parts: Sequence[tuple[Any, list[Placement]]]) -> tuple[Any, list[Placement]]:
        """One batch of several; see `JoinsParts`."""
        return join_equal(parts)

    def whole(self) -> ResizeCrop:
        """The same with a crop_share of 1."""
        return dataclasses.replace(self, crop_share=1.0)

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "Fit"."""
        return to_plain(self)


def _cut_strip(image: Any) -> tuple[Any, int, int]:
    # The middle of an image that is more than four times as long as wide: enlarging all of a 1 x 5000 strip would
    # take a gigabyte for pixels that are cut away. As many pixels are skipped on both sides, so the middle stays.
    height, width = image.shape[1:]
    top, left = max(0, (height - 4 * width) // 2), max(0, (width - 4 * height) // 2)
    return image[:, top : height - top, left : width - left], top, left
