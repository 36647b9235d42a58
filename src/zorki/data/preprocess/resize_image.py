"""Resizing on uint8."""

from __future__ import annotations

import torch
from jaxtyping import UInt8
from torch import Tensor


def resize_image(image: UInt8[Tensor, "3 H W"], height: int, width: int) -> UInt8[Tensor, "3 height width"]:
    """The image in another size: bilinear, anti-aliased, on uint8. The image itself where the size is its own."""
    if image.shape[-2:] == (height, width):
        return image
    return torch.nn.functional.interpolate(
        image[None], (height, width), mode="bilinear", antialias=True, align_corners=False
    )[0]
