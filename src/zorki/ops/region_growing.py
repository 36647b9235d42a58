"""Numbered pieces of a map that grow, and how far their pixels are from what is not theirs."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int32
from torch import Tensor


def flood(seeds: Int32[Tensor, "H W"], where: Bool[Tensor, "H W"]) -> Int32[Tensor, "H W"]:
    """Each pixel of `where` takes the number of the seed that reaches it in the fewest steps through `where`.

    That is a watershed over flat ground, in which all basins rise alike and meet halfway. Steps go over edges of
    pixels. What no seed reaches is 0, and so is all that is not of `where`. SciPy's shortest paths find it;
    `scipy.ndimage.watershed_ift` floods plateaus depth first, so that one seed takes all of them.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    allowed = where.numpy()
    values = np.where(allowed, seeds.numpy(), 0)
    node = np.arange(values.size).reshape(values.shape)
    steps = []
    for before, after in (np.s_[:-1, :], np.s_[1:, :]), (np.s_[:, :-1], np.s_[:, 1:]):
        # Paths through what has a number already lead nowhere new.
        passable = allowed[before] & allowed[after] & ((values[before] == 0) | (values[after] == 0))
        steps.append(np.stack([node[before][passable], node[after][passable]]))
    joined, ends = np.unique(np.concatenate(steps, 1), return_inverse=True)
    numbers = values.flat[joined]
    sources = np.flatnonzero(numbers)
    if not len(sources):
        return torch.from_numpy(values)
    starts, stops = ends.reshape(2, -1)
    graph = coo_array((np.ones(len(starts)), (starts, stops)), shape=(len(joined), len(joined))).tocsr()
    _, _, nearest = dijkstra(
        graph, directed=False, indices=sources, unweighted=True, min_only=True, return_predecessors=True
    )
    values.flat[joined] = np.where(nearest >= 0, numbers[np.maximum(nearest, 0)], 0)
    return torch.from_numpy(values)


def dilate(numbers: Int32[Tensor, "H W"], reach: int) -> Int32[Tensor, "H W"]:
    """Pixels take the number of the nearest numbered one that is no more than `reach` rows and columns away.

    Numbered pixels keep theirs, so pieces grow, by a square of 2 * reach + 1 pixels, and never merge.
    """
    from scipy import ndimage

    values = numbers.numpy()
    if reach <= 0 or not values.any():
        return numbers.clone()
    distances, (rows, columns) = ndimage.distance_transform_cdt(values == 0, "chessboard", return_indices=True)
    return torch.from_numpy(np.where(distances <= reach, values[rows, columns], 0))


def without_small(numbers: Int32[Tensor, "H W"], least: int) -> Int32[Tensor, "H W"]:
    """The map without the numbers of less than `least` pixels; the others keep theirs."""
    values = numbers.numpy()
    kept = np.bincount(values.ravel(), minlength=1) >= least
    return torch.from_numpy(np.where(kept[values], values, 0))


def offsets_from_outside(numbers: Int32[Tensor, "H W"]) -> Float32[Tensor, "2 H W"]:
    """From the nearest pixel that is not of a pixel's own piece to the pixel itself: (down, right), between centers.

    The length is the exact distance to the piece's boundary, 1 for its outermost pixels; the direction points away
    from it. What lies outside the image is of no piece. 0 where no piece is. Each piece is looked at in its own box,
    which is enough: what surrounds the box is not its own.
    """
    from scipy import ndimage

    padded = np.pad(numbers.numpy(), 1)
    offsets = np.zeros((2, *padded.shape), np.float32)
    for number, box in enumerate(ndimage.find_objects(padded), start=1):
        if box is None:
            continue
        window = tuple(slice(side.start - 1, side.stop + 1) for side in box)
        own = padded[window] == number
        nearest = ndimage.distance_transform_edt(own, return_distances=False, return_indices=True)
        offsets[(slice(None), *window)] += np.where(own, np.indices(own.shape, np.int32) - nearest, 0)
    return torch.from_numpy(offsets[:, 1:-1, 1:-1].copy())
