"""Maps read between the centers of their pixels, in numpy: `grid_sample` and `interpolate` of torch along two axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray

    from zorki.data.images import Array


def resample(
    maps: Float[ndarray, "K H W"], rows: Float[ndarray, " h"], columns: Float[ndarray, " w"]
) -> Float[ndarray, "K h w"]:
    """Bilinear values at the crossings of rows and columns, in pixels of the maps; beyond the edges the nearest.

    The center of the first pixel lies at 0.5.
    """
    narrow = _along(maps, columns, 2)
    return _along(narrow, rows, 1)


def _along(maps: Array, places: Array, axis: int) -> Array:
    length = maps.shape[axis]
    centers = np.clip(places.astype(np.float32) - np.float32(0.5), 0, length - 1)
    first = np.minimum(centers.astype(np.int64), max(0, length - 2))
    share = (centers - first).astype(np.float32).reshape(-1, *[1] * (2 - axis))
    before = maps.take(first, axis)
    after = maps.take(np.minimum(first + 1, length - 1), axis)
    after -= before
    after *= share
    return np.asarray(before + after)
