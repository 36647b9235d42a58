"""Polygons to masks and back: filled as COCO fills them, traced along the edges of pixels.

A ring is a closed polygon of P points x, y in continuous pixels, without its first point repeated at the end. A pixel
belongs to a ring that goes round its center; on the edge, COCO's tools decide (pycocotools, `rleFrPoly`: corners on a
grid of fifths of pixels, even-odd within a ring), and masks here are equal to theirs pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Float64
    from torch import Tensor

Array = np.ndarray[Any, np.dtype[Any]]

FARTHEST = 1e6
"""Pixels from the corner of the image beyond which no point may lie."""

LONGEST_WAY = 4e6
"""Pixels of the way round the polygons of an object: filling takes time and memory with it."""


def longest_way(height: int, width: int) -> float:
    """`LONGEST_WAY`, and less for an image of few pixels: no outline within it is longer than four times their number.

    Beyond them 100,000 pixels may lie outside of the image.
    """
    return min(LONGEST_WAY, 1e5 + 4 * height * width)


def fill_polygons(parts: Sequence[Float[np.ndarray, "_ 2"]], height: int, width: int) -> Bool[Tensor, "H W"]:
    """The pixels inside of any of the parts, as COCO joins the polygons of one object; none where there is no part.

    Raises:
        ValueError: a part has fewer than three points, or a coordinate that is not finite or beyond `FARTHEST`, or
            the way round is longer than `longest_way`.
    """
    import torch
    from hotcoco import mask

    if not parts:
        return torch.zeros(height, width, dtype=torch.bool)
    points = [_checked(part) for part in parts]
    if sum(map(way_round, points)) > (most := longest_way(height, width)):
        raise ValueError(f"the polygons are longer than {most:g} pixels")
    rings = mask.frPyObjects([part.ravel().tolist() for part in points], height, width)
    return _pixels(mask.decode(mask.merge(rings)))


def fill_rings(rings: Sequence[Float[np.ndarray, "_ 2"]], height: int, width: int) -> Bool[Tensor, "H W"]:
    """The pixels inside of an odd number of rings: an inner ring is a hole, and one within it an island.

    Raises:
        ValueError: as `fill_polygons`.
    """
    return fill_polygons([bridged([_checked(ring) for ring in rings])] if rings else [], height, width)


def bridged(rings: Sequence[Float[np.ndarray, "_ 2"]]) -> Float64[np.ndarray, "P 2"]:
    """One ring that fills like all of them by the even-odd rule: there and back on lines without width.

    Each ring hangs on the nearest corner of the first one. A line that is gone both ways encloses nothing.

    Raises:
        ValueError: there is no ring.
    """
    if not rings:
        raise ValueError("no ring was given; a polygon needs one")
    from scipy.spatial import cKDTree

    first = np.asarray(rings[0], np.float64)
    corners = cKDTree(first)
    detours: dict[int, list[Array]] = {}
    for ring in rings[1:]:
        distances, nearest = corners.query(ring)
        start = int(np.argmin(distances))
        place = int(nearest[start])
        turned = np.roll(np.asarray(ring, np.float64), -start, axis=0)
        detours.setdefault(place, []).append(np.concatenate([turned, turned[:1], first[place : place + 1]]))
    pieces, done = [], 0
    for place in sorted(detours):
        pieces += [first[done : place + 1], *detours[place]]
        done = place + 1
    return np.concatenate([*pieces, first[done:]])


def outline(mask: Bool[Tensor, "H W"]) -> list[list[Float64[np.ndarray, "_ 2"]]]:
    """The parts of a mask, each an outer ring and the rings of its holes, along the edges of pixels.

    Corners are whole numbers. Pixels that touch only at a corner are of different parts. `fill_rings` of all rings
    together gives the mask back exactly. Outer rings go clockwise from their topmost, then leftmost corner, holes
    the other way round. An empty mask has no parts.
    """
    from scipy import ndimage

    pixels = mask.cpu().numpy()
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    if not len(rows):
        return []
    top, left = int(rows[0]), int(columns[0])
    pixels = pixels[top : rows[-1] + 1, left : columns[-1] + 1]
    part_of, _ = ndimage.label(pixels)
    parts: dict[int, list[Array]] = {}
    for ring in _rings(pixels):
        row, column = ring[0].tolist()
        # A ring's first corner is the upper left one of a pixel of the part, or of a hole below such a pixel.
        inside = row < len(pixels) and column < pixels.shape[1] and bool(pixels[row, column])
        points = ring if inside else np.concatenate([ring[:1], ring[:0:-1]])
        part = int(part_of[row if inside else row - 1, column])
        parts.setdefault(part, []).append(points[:, ::-1] + np.array([left, top], np.float64))
    return list(parts.values())


def _rings(pixels: Array) -> list[Array]:
    """The closed ways along the edge of the pixels: corners (row, column), topmost and leftmost first, then right."""
    padded = np.pad(pixels, 1)
    above_left, above_right = padded[:-1, :-1], padded[:-1, 1:]
    below_left, below_right = padded[1:, :-1], padded[1:, 1:]
    # Where two pixels touch at a corner, two ways pass: the corner counts twice.
    touch = (above_left == below_right) & (above_right == below_left) & (above_left != above_right)
    odd = above_left ^ above_right ^ below_left ^ below_right
    rows, columns = np.nonzero(odd | touch)
    twice = touch[rows, columns]
    times = 1 + twice
    second = np.zeros(int(times.sum()), np.int64)
    second[(np.cumsum(times) - 1)[twice]] = 1
    falling = np.repeat(above_left[rows, columns] & twice, times)  # set above left and below right
    rows, columns = np.repeat(rows, times), np.repeat(columns, times)
    # In each row, corners are ends of level edges two by two; in each column, of upright ones. At a corner that
    # counts twice, the first level edge comes from the left, and goes on along the same pixel: up or down.
    order = np.lexsort((np.where(falling, second, 1 - second), rows, columns))
    upright = np.empty(len(order), np.int64)
    upright[order[0::2]], upright[order[1::2]] = order[1::2], order[0::2]
    onward = upright.tolist()
    corners = np.stack([rows, columns], 1)
    rings, seen = [], bytearray(len(onward))
    for start in range(len(onward)):
        if seen[start]:
            continue
        way: list[int] = []
        here = start
        while not seen[here]:
            there = here ^ 1  # the other end of the level edge
            seen[here] = seen[there] = 1
            way += (here, there)
            here = onward[there]
        rings.append(corners[way])
    return rings


def way_round(points: Array) -> float:
    """The way round a closed polygon (N, 2) in pixels, along the longer axis of each edge, as filling goes."""
    return float(np.abs(points - np.roll(points, 1, 0)).max(1).sum())


def _checked(part: Array) -> Array:
    """The points as float64. Raises ValueError."""
    if len(part) < 3:
        raise ValueError(f"a polygon has {len(part)} points; expected three or more")
    points = np.asarray(part, np.float64)
    if not bool((np.abs(points) <= FARTHEST).all()):  # so that not-a-number is refused too
        raise ValueError(f"a polygon has a coordinate that is no number, or beyond {FARTHEST:g} pixels")
    return points


def _pixels(decoded: Array) -> Bool[Tensor, "H W"]:
    """Of hotcoco's bytes, whose columns lie one after the other, as rows."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(decoded).view(np.bool_))
