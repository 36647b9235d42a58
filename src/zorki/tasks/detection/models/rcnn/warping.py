"""Parts of images stretched to one size, as networks that classify regions by themselves want them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

# Pixels around a region in a window of 227 (Girshick et al., 2013, appendix A).
_CONTEXT = 16 / 227


def warp_regions(
    images: Float[Tensor, "B C H W"], xyxy: Float[Tensor, "N 4"], owners: Int[Tensor, " N"], size: int
) -> Float[Tensor, "N C size size"]:
    """Regions of images, each with some context around it, stretched to squares.

    Girshick et al. (2013), appendix A: stretched along each axis by itself, with context.

    The region fills the square but for 16 of 227 pixels along each side, which show what is around it. Where that
    lies outside the image, zeros stand: the mean, in normalized pixels. Shrinking averages all pixels that go into
    one.

    Args:
        images: normalized.
        xyxy: regions in pixels.
        owners: for each region its image.
        size: side of the squares, in pixels.
    """
    from torchvision.ops import roi_align  # takes seconds to import

    center, half = (xyxy[:, :2] + xyxy[:, 2:]) / 2, (xyxy[:, 2:] - xyxy[:, :2]) / 2
    half = half / (1 - 2 * _CONTEXT)
    rows = torch.cat([owners.to(xyxy.dtype)[:, None], center - half, center + half], 1)
    # A ratio of 0 takes as many points as there are pixels.
    return roi_align(images.float(), rows.float(), (size, size), 1.0, 0, aligned=True)
