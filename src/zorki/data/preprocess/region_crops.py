"""Crops of regions: each object by itself, at one size, as top-down methods look at people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zorki.data.preprocess.canvas import check_images, check_positive, stack, to_plain
from zorki.data.preprocess.resize_image import resize_image
from zorki.data.transforms.geometry import cut_window
from zorki.errors import RecipeError
from zorki.types import Boxes, Crops, Placement

MIN_SIDE = 2.0  # pixels: of narrower boxes nothing can be seen


@dataclass(frozen=True)
class RegionCrops:
    """The surroundings of each box, enlarged to the shape of the input so that nothing is squeezed.

    What of a crop lies beyond its image is black. An image without boxes is one region, as a whole. A crop begins and
    ends at whole pixels of its image, so that where it lies is known exactly.

    Args:
        size: height of the input, in pixels.
        aspect: its width over its height.
        padding: by which a box is enlarged, for what sticks out of it (1.25 is usual: Xiao et al., 2018); an image as
            a whole is not.
        scale_jitter: in training, share by which a region is enlarged or shrunk by chance, below 1: no detector's
            boxes are as a person draws them.
        shift_jitter: in training, share of its sides by which a region is moved by chance.
        detail: pixels along a side of a crop for each of the input's: for networks that look again at parts of it.
    """

    size: int
    aspect: float = 1.0
    padding: float = 1.25
    scale_jitter: float = 0.0
    shift_jitter: float = 0.0
    detail: int = 1

    def __post_init__(self) -> None:
        check_positive(self, "size")
        check_positive(self, "detail")
        ranges = {"aspect": (0.1, 10.0), "padding": (1.0, 4.0), "scale_jitter": (0.0, 0.9), "shift_jitter": (0.0, 0.9)}
        for name, (least, most) in ranges.items():
            if not least <= (value := getattr(self, name)) <= most:
                raise RecipeError(f"RegionCrops: {name} must lie in {least}..{most}, but is {value}")

    @property
    def width(self) -> int:
        """Of the input, in pixels."""
        return max(1, round(self.size * self.aspect))

    @property
    def crop_size(self) -> tuple[int, int]:
        """(height, width) of a crop: the input's, times `detail`."""
        return self.size * self.detail, self.width * self.detail

    def __call__(
        self, images: Sequence[Tensor], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[Crops, list[Placement]]:
        """Each image as one region. Raises RecipeError for clips."""
        return self.in_regions(images, [None] * len(images), generators)

    def in_regions(
        self,
        images: Sequence[Tensor],
        regions: Sequence[Boxes | None],
        generators: Sequence[torch.Generator] | None = None,
    ) -> tuple[Crops, list[Placement]]:
        """The crops of all images, R in all; regions are moved and scaled by chance where there are generators.

        The placements leave coordinates as they are: crops say themselves where they lie.
        """
        check_images(self, images)
        present = [_whole(image) if region is None else region for image, region in zip(images, regions, strict=True)]
        windows: list[tuple[int, int, int, int]] = []
        crops: list[Tensor] = []
        for place, image in enumerate(images):
            padding = 1.0 if regions[place] is None else self.padding
            sides = self._sides(present[place].xyxy, padding, None if generators is None else generators[place])
            for left, top, right, bottom in sides:
                cut = cut_window(image, top, left, bottom - top, right - left)
                crops.append(resize_image(cut, *self.crop_size))
                windows.append((left, top, right, bottom))
        xyxy = torch.tensor(windows, dtype=torch.float32).reshape(-1, 4)
        sizes = [(int(image.shape[1]), int(image.shape[2])) for image in images]
        placements = [Placement(height, width, input_height=height, input_width=width) for height, width in sizes]
        return Crops(stack(crops, *self.crop_size), xyxy, present), placements

    def _sides(
        self, xyxy: Tensor, padding: float, generator: torch.Generator | None
    ) -> list[tuple[int, int, int, int]]:
        """(left, top, right, bottom) of each crop, in whole pixels of the image."""
        boxes = xyxy.double()
        center, side = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).clamp_min(MIN_SIDE)
        if generator is not None:
            chance = 2 * torch.rand((len(boxes), 3), generator=generator, dtype=torch.float64) - 1
            center = center + side * self.shift_jitter * chance[:, :2]
            side = side * (1 + self.scale_jitter * chance[:, 2:])
        height = torch.maximum(side[:, 1], side[:, 0] / self.aspect) * padding
        half = torch.stack([height * self.aspect, height], 1) / 2
        first = (center - half).round().long()
        last = torch.maximum((center + half).round().long(), first + 1)
        return [tuple(row) for row in torch.cat([first, last], 1).tolist()]

    def whole(self) -> RegionCrops:
        """Itself: it cuts nothing of a region off."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "RegionCrops"."""
        return to_plain(self)


def _whole(image: Tensor) -> Boxes:
    height, width = image.shape[1:]
    return Boxes(torch.tensor([[0.0, 0.0, float(width), float(height)]]), torch.zeros(1, dtype=torch.int64))
