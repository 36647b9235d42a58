"""Resizing on uint8, in torch and, to the bit, in numpy, for those who predict without torch."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import UInt8

    from zorki.data.images import Array
    from zorki.types.arrays import Pixels


BLOCK = 16  # rows that one product of matrices gives
STRIP = 1 << 22  # values that are numbers of 4 or 8 bytes at once


def resize_image(image: UInt8[Pixels, "3 H W"], height: int, width: int) -> UInt8[Pixels, "3 height width"]:
    """The image in another size: bilinear, anti-aliased, on uint8. The image itself where the size is its own."""
    if image.shape[-2:] == (height, width):
        return image
    if isinstance(image, np.ndarray):
        return _resize_array(image, height, width)
    import torch

    return torch.nn.functional.interpolate(
        image[None], (height, width), mode="bilinear", antialias=True, align_corners=False
    )[0]


def _resize_array(image: Array, height: int, width: int) -> Array:
    """As PyTorch does it: columns first, then rows, each rounded to uint8, with weights of 16 bits."""
    resized = np.empty((3, height, width), np.uint8)
    for plane, out in zip(image, resized, strict=True):
        rows = max(1, STRIP // plane.shape[1])
        strips = [plane[top : top + rows] for top in range(0, len(plane), rows)]
        narrow = np.concatenate([_resize_rows(np.ascontiguousarray(strip).T, width).T for strip in strips])
        out[:] = _resize_rows(narrow, height)
    return resized


def _resize_rows(lines: Array, count: int) -> Array:
    """The rows (H, N) as `count` rows, each the weighted mean of some neighbors: products of small dense matrices."""
    if len(lines) == count:
        return lines
    first, weights, precision = _weights(len(lines), count)
    half = 1 << (precision - 1)
    # Whole numbers all of them: exact in 24 bits where they fit, else in 53.
    kind = np.float32 if 255 * int(weights.sum(1).max()) + half < 1 << 24 else np.float64
    resized = np.empty((count, lines.shape[1]), np.uint8)
    for begin in range(0, count, BLOCK):
        starts, own = first[begin : begin + BLOCK], weights[begin : begin + BLOCK]
        low, high = starts[0], min(len(lines), starts[-1] + weights.shape[1])
        matrix = np.zeros((len(starts), high - low + weights.shape[1]), kind)
        for row, start, values in zip(matrix, starts - low, own, strict=True):
            row[start : start + len(values)] = values
        sums = (matrix[:, : high - low] @ lines[low:high].astype(kind)).astype(np.int32)
        resized[begin : begin + BLOCK] = np.clip((sums + half) >> precision, 0, 255)
    return resized


@lru_cache(64)
def _weights(length: int, count: int) -> tuple[Array, Array, int]:
    """Where the neighbors of each new row begin, their weights times 2^precision, and that precision.

    PyTorch's `upsample_bilinear2d_aa` on uint8 (aten/native/cpu/UpSampleKernel.cpp), which follows Pillow's filter: a
    triangle as wide as a new row, and weights as large as 16 bits hold.
    """
    scale = length / count
    support, sharpness = max(scale, 1.0), min(1.0, 1 / scale)
    centers = scale * (np.arange(count) + 0.5)
    first = np.maximum((centers - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centers + support + 0.5).astype(np.int64), length)
    places = first[:, None] + np.arange(int(np.ceil(support)) * 2 + 1)
    weights = np.maximum(1 - np.abs((places - centers[:, None] + 0.5) * sharpness), 0)
    weights[places >= last[:, None]] = 0
    weights /= weights.sum(1, keepdims=True)
    largest = float(weights.max())
    precision = next((p for p in range(22) if int(0.5 + largest * (1 << (p + 1))) >= 1 << 15), 22)
    return first, (weights * (1 << precision) + 0.5).astype(np.int64), precision
