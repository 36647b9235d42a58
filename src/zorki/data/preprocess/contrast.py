"""Autocontrast: which levels of an image become black and white."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zorki.types.arrays import array_of, tensor_of

if TYPE_CHECKING:
    from jaxtyping import Int64, UInt8
    from numpy import ndarray
    from torch import Tensor

    from zorki.types.arrays import Pixels

DARKEST, BRIGHTEST = 0.01, 0.998
"""Shares of an image's values: at the first lies black, at the last white, as microscopists have it (Weigert et al.,
2018: Content-aware image restoration, whose programs take percentiles 1 or 3 and 99.8)."""
MIN_SPAN = 16  # levels between black and white: what is flatter is noise, and would be made to look like an image


def contrast_levels(image: UInt8[Tensor | ndarray, "3 H W"]) -> tuple[int, int]:
    """The levels that autocontrast takes for black and for white, of all three channels together."""
    return black_and_white(value_counts(image))


def value_counts(image: UInt8[Tensor | ndarray, "3 H W"]) -> Int64[ndarray, "256"]:
    return np.bincount(array_of(image).ravel(), minlength=256)


def black_and_white(counts: Int64[ndarray, "256"]) -> tuple[int, int]:
    counts = counts.cumsum()
    shares = np.array([DARKEST, BRIGHTEST]) * counts[-1]
    black, white = np.searchsorted(counts, np.ceil(shares).astype(np.int64)).tolist()
    return black, max(white, black + MIN_SPAN)


def stretch_contrast(image: UInt8[Pixels, "3 H W"], black: int, white: int) -> UInt8[Pixels, "3 H W"]:
    """The image with level `black` at 0 and `white` at 255; in between linear, outside cut off.

    Its negative, where `black` is the brighter one.
    """
    levels = ((np.arange(256, dtype=np.float32) - np.float32(black)) * np.float32(255 / (white - black))).round()
    stretched = levels.clip(0, 255).astype(np.uint8)[array_of(image)]
    return stretched if isinstance(image, np.ndarray) else tensor_of(stretched)


def has_bright_ground(counts: Int64[ndarray, "256"]) -> bool:
    """Whether more than half of an image's values lie in the upper half between its own black and white.

    Of an image without contrast, whether they lie in the upper half of 0..255.
    """
    black, white = black_and_white(counts)
    middle = (black + white) // 2 if white - black > MIN_SPAN else 127
    return int(counts[middle + 1 :].sum()) * 2 > int(counts.sum())
