"""Exemplar and search region of an object in two frames, as Siamese trackers learn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.data.preprocess.canvas import check_positive, to_plain
from zorki.data.preprocess.tracking.windows import cut_windows, exemplar_sides
from zorki.errors import RecipeError
from zorki.types import Boxes, ExemplarSearch, Placement


@dataclass(frozen=True)
class ExemplarSearchPairs:
    """The object in the first frame, and around its place in the second one, both at one scale (section 4.2).

    Each window shows the object with as much around it that the exemplar covers `exemplar` pixels; what lies beyond
    the frame has its mean color.

    Args:
        size: side of the search region, in pixels.
        exemplar: side of the exemplar, in pixels.
        shift: in training, pixels by which the object is moved from the middle of the search region by chance. The
            paper moves none, since its network has no padding, and knows no place from another.
        stretch: in training, share by which the search region is enlarged or shrunk by chance.
    """

    size: int = 255
    exemplar: int = 127
    shift: int = 0
    stretch: float = 0.0

    def __post_init__(self) -> None:
        check_positive(self, "size", "exemplar")
        if not self.exemplar < self.size:
            raise RecipeError(f"the exemplar has {self.exemplar} pixels; expected fewer than the search's {self.size}")
        if not (0 <= self.shift < self.size / 2 and 0 <= self.stretch < 1):
            raise RecipeError(
                f"ExemplarSearchPairs: expected a shift of 0..{self.size // 2} pixels and a stretch of 0 to 1; got "
                f"{self.shift} and {self.stretch}"
            )

    def __call__(
        self, images: Sequence[Tensor], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[ExemplarSearch, list[Placement]]:
        """Of images (2, 3, H, W) whose object is the middle half."""
        return self.in_regions(images, [None] * len(images), generators)

    def in_regions(
        self,
        images: Sequence[Tensor],
        regions: Sequence[Boxes | None],
        generators: Sequence[torch.Generator] | None = None,
    ) -> tuple[ExemplarSearch, list[Placement]]:
        """One pair an image (2, 3, H, W), whose box in each frame is a row of its region; placements of the searches.

        Raises:
            RecipeError: an image is no pair of frames with a box each.
        """
        exemplars = torch.empty((len(images), 3, self.exemplar, self.exemplar), dtype=torch.uint8)
        searches = torch.empty((len(images), 3, self.size, self.size), dtype=torch.uint8)
        placements = []
        for row, (image, region) in enumerate(zip(images, regions, strict=True)):
            xyxy = _middle_half(image) if region is None else region.xyxy
            if image.ndim != 4 or len(image) != 2 or len(xyxy) != 2:
                raise RecipeError(
                    f"expected pairs of frames (2, 3, H, W) with a box each, got {tuple(image.shape)} and {len(xyxy)} "
                    "boxes"
                )
            centers, sides = (xyxy[:, :2] + xyxy[:, 2:]) / 2, exemplar_sides((xyxy[:, 2:] - xyxy[:, :2]).clamp_min(1.0))
            exemplars[row] = _levels(image[0], centers[:1], sides[:1], self.exemplar)
            center, side = self._moved(centers[1:], sides[1:], None if generators is None else generators[row])
            searches[row] = _levels(image[1], center, side, self.size)
            height, width = int(image.shape[2]), int(image.shape[3])
            scale = self.size / float(side)
            left, top = (center[0] - side / 2).tolist()
            placements.append(Placement(height, width, scale, -left * scale, -top * scale, self.size, self.size))
        return ExemplarSearch(exemplars, searches), placements

    def _moved(self, center: Tensor, side: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Center and side of the search region, in pixels of the frame."""
        side = side * self.size / self.exemplar
        if generator is None or not (self.shift or self.stretch):
            return center, side
        chance = 2 * torch.rand(3, generator=generator) - 1
        side = side * (1 + self.stretch) ** chance[2]
        return center + chance[:2] * self.shift * side / self.size, side

    def whole(self) -> ExemplarSearchPairs:
        """Itself: it cuts nothing of the object off."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "ExemplarSearchPairs"."""
        return to_plain(self)


def _levels(frame: Tensor, center: Tensor, side: Tensor, size: int) -> UInt8[Tensor, "3 size size"]:
    cut = cut_windows(frame, center, side, size, frame.float().mean((1, 2)))
    return cut[0].round().clamp(0, 255).to(torch.uint8)


def _middle_half(image: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    return torch.tensor([[width / 4, height / 4, width * 3 / 4, height * 3 / 4]]).expand(len(image), -1)
