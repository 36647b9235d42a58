"""Pairs of patches of each image, of which one lies beside the other: what context tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.data.preprocess.canvas import check_images, check_positive, to_plain
from zorki.data.preprocess.pretraining.random_views import CROP_SHARE, SMALL_SIZE, whole_placement
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.preprocess.resize_image import resize_image
from zorki.errors import RecipeError
from zorki.types import PatchPairs, Placement

NEIGHBORS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""(down, right) of each neighbor from the patch in the middle, in reading order."""


@dataclass(frozen=True)
class RandomPatches:
    """A patch and one of its eight neighbors (Doersch et al., 2015, section 4), and which neighbor it is.

    The image is resized to `size` along its shorter side, and a grid of 3 x 3 patches is laid somewhere on it. Against
    shortcuts there is a gap between patches, each is moved by some pixels, and of the colors one alone is left at times
    (section 4.1). Without generators, in evaluation and prediction, an image is one view, as of `RandomViews`.

    Attributes:
        size: of the image's shorter side, in pixels.
        patch: side of a patch, in pixels.
        gap: between patches, in pixels.
        jitter: by how many pixels a patch is moved at most, either way, along each axis.
        one_color: probability that one channel of a pair is kept, and the others become its mean. The paper fills
            them with noise of a hundredth of its deviation, which is below one level.
    """

    size: int
    patch: int
    gap: int
    jitter: int
    one_color: float = 0.5

    def __post_init__(self) -> None:
        check_positive(self, "size", "patch")
        if min(self.gap, self.jitter) < 0 or not 0 <= self.one_color <= 1:
            raise RecipeError(
                f"RandomPatches: gap and jitter must be at least 0 and one_color in 0..1, but they are {self.gap}, "
                f"{self.jitter} and {self.one_color}"
            )
        if self.grid > self.size:
            raise RecipeError(
                f"RandomPatches: 3 patches of {self.patch} pixels with gaps of {self.gap}, each moved by up to "
                f"{self.jitter}, take {self.grid} pixels, but the image has {self.size}"
            )

    @property
    def grid(self) -> int:
        """Pixels along a side that the patches take at most."""
        return 3 * self.patch + 2 * self.gap + 2 * self.jitter

    def __call__(
        self, images: Sequence[Tensor], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[PatchPairs | UInt8[Tensor, "B 1 3 size size"], list[Placement]]:
        """uint8 images (3, H, W) of any sizes to one batch. Raises RecipeError for clips."""
        if generators is None:
            share = 1.0 if self.size <= SMALL_SIZE else CROP_SHARE
            plain, placements = ResizeCrop(self.size, share)(images)
            return plain[:, None], placements
        check_images(self, images)
        pairs = torch.empty((len(images), 2, 3, self.patch, self.patch), dtype=torch.uint8)
        neighbors = []
        for row, image in enumerate(images):
            neighbors.append(self._cut(image, generators[row], pairs[row]))
        placements = [whole_placement(image, self.size) for image in images]
        return PatchPairs(pairs, torch.tensor(neighbors, dtype=torch.int64)), placements

    def _cut(self, image: UInt8[Tensor, "3 H W"], generator: torch.Generator, out: UInt8[Tensor, "2 3 h w"]) -> int:
        height, width = image.shape[1:]
        scale = self.size / min(height, width)
        image = resize_image(image, max(self.size, round(height * scale)), max(self.size, round(width * scale)))
        u = torch.rand(9, generator=generator, dtype=torch.float64).tolist()
        top, left = (int(u[axis] * (side - self.grid + 1)) + self.jitter for axis, side in enumerate(image.shape[1:]))
        neighbor = int(u[2] * len(NEIGHBORS))
        moved = [int(value * (2 * self.jitter + 1)) - self.jitter for value in u[3:7]]
        step = self.patch + self.gap
        for number, (down, right) in enumerate(((0, 0), NEIGHBORS[neighbor])):
            y = top + step * (1 + down) + moved[2 * number]
            x = left + step * (1 + right) + moved[2 * number + 1]
            out[number] = image[:, y : y + self.patch, x : x + self.patch]
        if u[7] < self.one_color:
            _keep_one_color(out, int(u[8] * 3))
        return neighbor

    def whole(self) -> RandomPatches:
        """Itself: where it cuts is what is asked."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "RandomPatches"."""
        return to_plain(self)


def _keep_one_color(patches: UInt8[Tensor, "2 3 h w"], channel: int) -> None:
    for patch in patches:
        mean = patch[channel].float().mean().round().to(torch.uint8)
        for other in range(3):
            if other != channel:
                patch[other] = mean
