"""Logits of every pixel of the input as a class for every pixel of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.exported.decoding.resample import resample
from zorki.types import Mask, Placement

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray

    from zorki.data.images import Array


def decode_class_maps(outputs: Mapping[str, Array], placements: Sequence[Placement]) -> list[Mask[Any]]:
    """The best class of every pixel, of "logits" (B, K, H, W) at the size of the input; of several the first."""
    pairs = zip(outputs["logits"], placements, strict=True)
    return [Mask(restore_maps(maps, placement).argmax(0)) for maps, placement in pairs]


def restore_maps(maps: Float[ndarray, "K H W"], placement: Placement) -> Float[ndarray, "K height width"]:
    """Maps over the input as maps over the original image, as `restore_maps` of semantic segmentation in torch.

    Bilinear; the canvas around the image is left out, and what was cropped away takes what is nearest.
    """
    scale_x, scale_y = placement.scales
    height, width = placement.height, placement.width
    if (scale_x, scale_y, placement.left, placement.top) == (1.0, 1.0, 0.0, 0.0):
        return maps[:, :height, :width]
    edges = np.array(placement.frame)
    left, top, right, bottom = whole = edges.round().astype(np.int64)
    inside = left >= 0 and top >= 0 and right <= maps.shape[2] and bottom <= maps.shape[1]
    if inside and np.abs(whole - edges).max() < 1e-6:  # nothing of the canvas is mixed in
        cut = maps[:, top:bottom, left:right]
        rows, columns = (
            (np.arange(height) + 0.5) * (cut.shape[1] / height),
            (np.arange(width) + 0.5) * (cut.shape[2] / width),
        )
        return resample(cut, rows, columns)
    rows, columns = (np.arange(height) + 0.5) * scale_y, (np.arange(width) + 0.5) * scale_x
    return resample(maps, rows + placement.top, columns + placement.left)
