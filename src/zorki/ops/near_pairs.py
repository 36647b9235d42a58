"""Pairs of images that are near by a hash or a vector, block by block: all against all fits into memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float32, UInt64

BLOCK = 4096  # rows that are compared at once


def near_hashes(hashes: UInt64[np.ndarray, " N"], most: int) -> Iterator[tuple[int, int, float]]:
    """Pairs of rows whose 64-bit hashes differ in `most` bits or fewer, and in how many."""
    for first in range(0, len(hashes), BLOCK):
        for second in range(first, len(hashes), BLOCK):
            a, b = hashes[first : first + BLOCK], hashes[second : second + BLOCK]
            bits = np.bitwise_count(a[:, None] ^ b[None])
            for row, column in np.argwhere(bits <= most).tolist():
                if first + row < second + column:
                    yield first + row, second + column, float(bits[row, column])


def near_vectors(vectors: Float32[np.ndarray, "N D"], least: float) -> Iterator[tuple[int, int, float]]:
    """Pairs of rows, unit vectors, whose cosine is `least` or more, and that cosine."""
    for first in range(0, len(vectors), BLOCK):
        for second in range(first, len(vectors), BLOCK):
            similarity = vectors[first : first + BLOCK] @ vectors[second : second + BLOCK].T
            for row, column in np.argwhere(similarity >= least).tolist():
                if first + row < second + column:
                    yield first + row, second + column, float(similarity[row, column])
