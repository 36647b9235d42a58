"""A map of importance, in the pixels of the network and of the original image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from zorki.engine.explanation.film_strip import by_frame
from zorki.types import Placement


@dataclass(frozen=True)
class HeatMap:
    """How much each pixel of the network's input matters, and where the image lies in it.

    Attributes:
        values: in pixels of the network, on the CPU; 0: nothing, negative: the pixel speaks against, NaN: the network
            cannot answer there.
    """

    values: Float[Tensor, "H W"]
    placement: Placement

    @property
    def inside(self) -> Bool[Tensor, "H W"]:
        """Pixels of the network that are of the image and in the map, and not of the canvas around it."""
        left, top, right, bottom = self.placement.frame
        height, width = self.values.shape
        rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
        framed = ((rows >= top) & (rows <= bottom))[:, None] & ((columns >= left) & (columns <= right))
        return framed & ~self.values.isnan()

    def original(self) -> Float[ndarray, "height width"]:
        """The map over the original image, bilinear; NaN where the network saw nothing of it."""
        return self.at_size(self.placement.height, self.placement.width)

    def at_size(self, height: int, width: int) -> Float[ndarray, "height width"]:
        """The map over the original image, as over a copy of that size."""
        place = self.placement
        across, down = place.scales
        rows = (torch.arange(height) + 0.5) * (place.height / height) * down + place.top
        columns = (torch.arange(width) + 0.5) * (place.width / width) * across + place.left
        size = self.values.shape
        grid = torch.empty((1, height, width, 2))
        grid[..., 0] = columns * (2 / size[1]) - 1
        grid[..., 1] = (rows * (2 / size[0]) - 1)[:, None]
        found = functional.grid_sample(
            self.values[None, None].float(), grid, mode="bilinear", padding_mode="border", align_corners=False
        )[0, 0]
        seen = ((rows >= 0) & (rows <= size[0]))[:, None] & ((columns >= 0) & (columns <= size[1]))
        return np.where(seen.numpy(), found.numpy(), np.float32(np.nan))


def enlarged(values: Float[Tensor, "h w"], size: tuple[int, int], frames: int = 1) -> Float[Tensor, "H W"]:
    """A coarse map over the network's input, on the CPU: bilinear, each position in the middle of its cell.

    Of a strip of so many frames, each by itself.
    """
    each = by_frame(values.float(), frames)[:, None]
    found = functional.interpolate(each, (size[0], size[1] // frames), mode="bilinear", align_corners=False)
    return torch.cat(list(found[:, 0]), 1).cpu()
