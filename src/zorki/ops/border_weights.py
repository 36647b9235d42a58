"""U-Net's weights of pixels: where two cells nearly touch, the gap between them counts most."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

_FAR = 6.5  # deviations: beyond, the term of eq. 2 is below a thousandth of a millionth of w0, and is left out


def border_weights(
    instances: Integer[Tensor, "H W"],
    *,
    base: Float[Tensor, "H W"] | float = 1.0,
    weight: float = 10.0,
    deviation: float = 5.0,
) -> Float[Tensor, "H W"]:
    """w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2)) (Ronneberger et al., 2015, eq. 2).

    d1 and d2 are the distances to the nearest cell and to the one after it, between centers of pixels, exactly. The
    paper writes the term for all pixels; here cells keep their w_c, for what has to be learned is the gap. With less
    than two cells there is none, and w is w_c.

    Args:
        instances: a number from 1 for each cell, 0 between them; see `connected_components`.
        base: w_c, which balances the classes.
        weight: w0.
        deviation: sigma, in pixels.
    """
    cells = _numbered(instances.numpy())
    weights = np.empty(cells.shape, np.float32)
    weights[:] = base.numpy() if isinstance(base, Tensor) else base
    if weight > 0 and cells.max(initial=0) > 1:
        _add_gaps(weights, cells, weight, deviation)
    return torch.from_numpy(weights)


def _add_gaps(weights: Any, cells: Any, weight: float, deviation: float) -> None:
    """Adds the term of each pixel between cells.

    One transform of distances tells each pixel's nearest cell. The one after it is looked for around each cell alone,
    among the others: as far as the term reaches, and for the box of the pixels that are nearest to it. Together these
    boxes are a few images large, however many cells there are.
    """
    from scipy import ndimage

    reach = _FAR * deviation  # of d1 + d2, so that d1 goes half as far
    first, nearest = _to_nearest(cells)
    near = np.where((cells == 0) & (first <= reach / 2), nearest, 0)
    margin = int(np.ceil(reach))
    boxes = ndimage.find_objects(near, int(cells.max()))
    for number, (box, cell) in enumerate(zip(boxes, ndimage.find_objects(cells), strict=True), start=1):
        if box is None:
            continue
        # Two cells with a point between them, at d1 and d2, are no more than d1 + d2 from one another.
        wide = tuple(
            slice(max(0, side.start - margin, own.start - margin), min(side.stop, own.stop) + margin)
            for side, own in zip(box, cell, strict=True)
        )
        others = np.where(cells[wide] == number, 0, cells[wide])
        if not others.any():
            continue
        inner = tuple(
            slice(side.start - whole.start, side.stop - whole.start) for side, whole in zip(box, wide, strict=True)
        )
        second = _to_nearest(others)[0][inner]
        gaps = np.exp(-((first[box] + second) ** 2) / (2 * deviation**2)) * weight
        weights[box] += np.where(near[box] == number, gaps, 0)


def _to_nearest(cells: Any) -> tuple[Any, Any]:
    """The distance from each pixel to the nearest cell, and its number."""
    from scipy import ndimage

    rows, columns = ndimage.distance_transform_edt(cells == 0, return_distances=False, return_indices=True)
    height, width = cells.shape
    down, right = rows - np.arange(height, dtype=np.int32)[:, None], columns - np.arange(width, dtype=np.int32)
    return np.sqrt((down * down + right * right).astype(np.float32)), cells[rows, columns]


def _numbered(instances: Any) -> Any:
    """Numbers without gaps, as int32: files name cells as they like."""
    if instances.max(initial=0) > instances.size:
        names, found = np.unique(instances, return_inverse=True)
        return (found.reshape(instances.shape) + (names[0] != 0)).astype(np.int32)
    present = np.bincount(instances.ravel(), minlength=1) > 0
    present[0] = False
    return np.cumsum(present, dtype=np.int32)[instances] * (instances > 0)
