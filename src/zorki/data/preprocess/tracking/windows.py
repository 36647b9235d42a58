"""Square windows of an image at any place and scale, where what lies beyond its edges has its mean color."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Num
from torch import Tensor
from torch.nn import functional

CONTEXT = 0.5
"""Share of a box's width and height together that is added to each side for its surroundings (section 4.2)."""


def exemplar_sides(sizes: Float[Tensor, "N 2"]) -> Float[Tensor, " N"]:
    """The side of the square around each object of (width, height): sqrt((w + 2p)(h + 2p)) with p = (w + h) / 4.

    Bertinetto et al. (2016), section 4.2. In pixels.
    """
    padded = sizes + CONTEXT * sizes.sum(1, keepdim=True)
    return padded.prod(1).sqrt()


def cut_windows(
    image: Num[Tensor, "3 H W"],
    centers: Float[Tensor, "N 2"],
    sides: Float[Tensor, " N"],
    size: int,
    color: Float[Tensor, " 3"],
) -> Float[Tensor, "N 3 size size"]:
    """Squares around (x, y) with sides in pixels of the image, brought to `size` by bilinear interpolation.

    What is shrunk to less than half is averaged first, so that no pixel is passed over.

    Args:
        color: red, green and blue, 0..255, of what lies beyond the image.
    """
    if not len(centers):
        return torch.zeros((0, 3, size, size), device=image.device)
    left, top, part = _part(image, centers, sides)
    pixels = part.float() - color[:, None, None]
    shrink = max(1, math.floor(float(sides.min()) / size))
    if shrink > 1:
        rest = [-side % shrink for side in pixels.shape[:0:-1]]
        pixels = functional.avg_pool2d(functional.pad(pixels, (0, rest[0], 0, rest[1])), shrink)
    origin = centers.new_tensor([left, top])
    extent = centers.new_tensor([pixels.shape[2] * shrink, pixels.shape[1] * shrink])
    steps = (torch.arange(size, device=image.device, dtype=torch.float32) + 0.5) / size - 0.5
    # From the middle of the outermost pixels on, what is beyond is `color`: 0 after it was taken off.
    x, y = ((centers - origin)[:, :, None] + sides[:, None, None] * steps).div(extent[:, None]).mul(2).sub(1).unbind(1)
    grid = torch.stack([x[:, None].expand(-1, size, -1), y[:, :, None].expand(-1, -1, size)], 3)
    cut = functional.grid_sample(pixels.expand(len(centers), -1, -1, -1), grid.float(), align_corners=False)
    return cut.add_(color[:, None, None])


def _part(image: Tensor, centers: Tensor, sides: Tensor) -> tuple[int, int, Tensor]:
    """Left, top and pixels of the part of the image that the windows cover: at least one pixel."""
    height, width = image.shape[1:]
    low = (centers - sides[:, None] / 2).amin(0).floor().sub(1).tolist()
    high = (centers + sides[:, None] / 2).amax(0).ceil().add(1).tolist()
    left, top = (int(min(max(value, 0), side - 1)) for value, side in zip(low, (width, height), strict=True))
    right, bottom = (int(max(min(value, side), 1)) for value, side in zip(high, (width, height), strict=True))
    return left, top, image[:, top : max(bottom, top + 1), left : max(right, left + 1)]
