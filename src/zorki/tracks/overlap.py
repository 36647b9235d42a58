"""Overlap of boxes in double precision, on the CPU, where a tensor a frame would cost more than the mathematics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

if TYPE_CHECKING:  # takes longer to load than an exported file to answer
    from jaxtyping import Float64

_EPS = float(np.finfo(np.float64).eps)


def box_iou(a: Float64[ndarray, "N 4"], b: Float64[ndarray, "M 4"]) -> Float64[ndarray, "N M"]:
    """Intersection over union of xyxy boxes; 0 where a box is empty or inverted.

    The order of operations is that of TrackEval, so that scores agree to the last bit.
    """
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.maximum(high[..., 0] - low[..., 0], 0) * np.maximum(high[..., 1] - low[..., 1], 0)
    area_a, area_b = ((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]) for box in (a, b))
    union = area_a[:, None] + area_b[None] - shared
    valid = (area_a > _EPS)[:, None] & (area_b > _EPS)[None] & (union > _EPS)
    return np.where(valid, shared, 0.0) / np.where(valid, union, 1.0)
