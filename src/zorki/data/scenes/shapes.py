"""The shapes of the synthetic world as signed distance fields: exact edges at any size, turn and sub-pixel place.

A shape lives in its own frame: it fits the unit circle, x points right and y down as in images, and its head points
up, to (0, -1). Every shape is its own mirror image, left for right, so that a flipped image shows the same class.

Only operations that IEEE 754 rounds exactly (+ - * / sqrt, comparisons) touch arrays, and constants from the
mathematics library are rounded to six places: the same shape is bit-equal on every processor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float32

Field = Float32[np.ndarray, "*S"]
Point = tuple[float, float]

PLACES = ("head", "right", "tail", "left")


@dataclass(frozen=True)
class Shape:
    """A class of shapes with one free proportion in 0..1 (a ring's band, a star's waist), in which individuals differ.

    `distance(x, y, proportion)` is negative inside, in units of the shape's frame. `places(proportion)` are the
    `PLACES`, all inside the shape. `symmetry` is the number of turns that look alike; 0: every turn does.
    """

    name: str
    symmetry: int
    distance: Callable[[Field, Field, float], Field]
    places: Callable[[float], tuple[Point, Point, Point, Point]]

    def upright(self, turn: float) -> float:
        """The turn in radians, nearest to upright, that looks like `turn`: places are named from it.

        Which of a square's corners was once its head cannot be seen, so asking for it would be asking for luck.
        """
        if self.symmetry == 0:
            return 0.0
        step = 2 * math.pi / self.symmetry
        return turn - step * math.floor(turn / step + 0.5)


def turned(angle: float) -> Point:
    """Cosine and sine, rounded so that every mathematics library agrees."""
    return round(math.cos(angle), 6), round(math.sin(angle), 6)


def _length(x: Field, y: Field) -> Field:
    return np.sqrt(x * x + y * y)


def _outline(x: Field, y: Field, corners: Sequence[Point]) -> Field:
    """Signed distance to an outline that bounds the right half, given from top to bottom; x is not negative.

    Inside is where a ray to the right crosses the outline an odd number of times.
    """
    nearest: Field | None = None
    inside = np.zeros(x.shape, dtype=bool)
    for (ax, ay), (bx, by) in pairwise(corners):
        ex, ey = bx - ax, by - ay
        px, py = x - ax, y - ay
        along = np.minimum(np.maximum((px * ex + py * ey) * (1.0 / (ex * ex + ey * ey)), 0.0), 1.0)
        dx, dy = px - along * ex, py - along * ey
        square = dx * dx + dy * dy
        nearest = square if nearest is None else np.minimum(nearest, square)
        if ey != 0:
            between = (y >= min(ay, by)) & (y < max(ay, by))
            inside ^= between & (px < py * (ex / ey))
    if nearest is None:
        raise ValueError(f"an outline needs two corners or more, got {len(corners)}")
    return np.sqrt(nearest) * np.where(inside, np.float32(-1), np.float32(1))


def _disc(x: Field, y: Field, proportion: float) -> Field:
    return _length(x, y) - 0.92


def _disc_places(proportion: float) -> tuple[Point, Point, Point, Point]:
    return (0.0, -0.85), (0.85, 0.0), (0.0, 0.85), (-0.85, 0.0)


def _ring_band(proportion: float) -> float:
    return 0.13 + 0.1 * proportion


def _ring(x: Field, y: Field, proportion: float) -> Field:
    band = _ring_band(proportion)
    return np.abs(_length(x, y) - (0.96 - band)) - band


def _ring_places(proportion: float) -> tuple[Point, Point, Point, Point]:
    middle = 0.96 - _ring_band(proportion)
    return (0.0, -middle), (middle, 0.0), (0.0, middle), (-middle, 0.0)


def _triangle(x: Field, y: Field, proportion: float) -> Field:
    corner = 0.04 + 0.08 * proportion  # radius of the rounded corners
    reach = 1.06 - 2 * corner
    foot = (reach * round(math.sqrt(0.75), 6), reach / 2)
    return _outline(np.abs(x), y, [(0.0, -reach), foot, (0.0, foot[1])]) - corner


def _triangle_places(proportion: float) -> tuple[Point, Point, Point, Point]:
    reach = 0.86 - 0.08 * proportion
    return (0.0, -reach), (0.866 * reach, reach / 2), (0.0, reach / 2), (-0.866 * reach, reach / 2)


def _square(x: Field, y: Field, proportion: float) -> Field:
    corner = 0.03 + 0.12 * proportion
    qx, qy = np.abs(x) - (0.76 - corner), np.abs(y) - (0.76 - corner)
    outside = _length(np.maximum(qx, 0.0), np.maximum(qy, 0.0))
    return outside + np.minimum(np.maximum(qx, qy), 0.0) - corner


def _square_places(proportion: float) -> tuple[Point, Point, Point, Point]:
    return (0.0, -0.71), (0.71, 0.0), (0.0, 0.71), (-0.71, 0.0)


_COS36, _SIN36 = turned(math.pi / 5)


def _star(x: Field, y: Field, proportion: float) -> Field:
    waist = 0.38 + 0.1 * proportion
    # Two mirrors fold the five arms onto the one that points up, of which one edge is left.
    x, y = np.abs(x), -y
    for kx, ky in ((_COS36, -_SIN36), (-_COS36, -_SIN36)):
        beyond = 2 * np.maximum(x * kx + y * ky, 0.0)
        x, y = x - beyond * kx, y - beyond * ky
    x = np.abs(x)
    ax, ay = waist * _SIN36, waist * _COS36 - 0.94
    py = y - 0.94
    along = np.minimum(np.maximum((x * ax + py * ay) * (1.0 / (ax * ax + ay * ay)), 0.0), 1.0)
    far = _length(x - along * ax, py - along * ay)
    return np.where(py * ax - x * ay < 0, -far, far) - 0.05


def _star_places(proportion: float) -> tuple[Point, Point, Point, Point]:
    (c, s), waist = turned(math.pi / 10), 0.38 + 0.1 * proportion
    return (0.0, -0.86), (0.86 * c, -0.86 * s), (0.0, 0.95 * waist), (-0.86 * c, -0.86 * s)


def _cross(x: Field, y: Field, proportion: float) -> Field:
    arm = 0.2 + 0.1 * proportion
    x, y = np.abs(x), np.abs(y)
    x, y = np.maximum(x, y), np.minimum(x, y)
    return _outline(x, y, [(0.9, 0.0), (0.9, arm), (arm, arm)]) - 0.04


def _cross_places(proportion: float) -> tuple[Point, Point, Point, Point]:
    return (0.0, -0.88), (0.88, 0.0), (0.0, 0.88), (-0.88, 0.0)


def _crescent_bite(proportion: float) -> tuple[float, float]:
    """Height of the center and radius of the disc that is bitten out of the upper side."""
    return -0.42 - 0.08 * proportion, 0.72


def _crescent_horn(proportion: float) -> Point:
    """The point of the right horn, where the outer circle meets the bite."""
    height, radius = _crescent_bite(proportion)
    y = (0.81 - radius * radius + height * height) / (2 * height)
    return round(math.sqrt(0.81 - y * y), 6), y


def _crescent(x: Field, y: Field, proportion: float) -> Field:
    (height, radius), (horn_x, horn_y) = _crescent_bite(proportion), _crescent_horn(proportion)
    x = np.abs(x)
    from_full, from_bite = _length(x, y), _length(x, y - height)
    full, bite = from_full - 0.9, radius - from_bite
    # A circle's nearest point counts where it lies on its arc, which both circles have below the horns.
    far = _length(x - horn_x, y - horn_y)
    far = np.where(y * 0.9 > horn_y * from_full, np.minimum(far, np.abs(full)), far)
    far = np.where((y - height) * radius > (horn_y - height) * from_bite, np.minimum(far, np.abs(bite)), far)
    return np.where(np.maximum(full, bite) < 0, -far, far) - 0.04


def _crescent_places(proportion: float) -> tuple[Point, Point, Point, Point]:
    (height, radius), (x, y) = _crescent_bite(proportion), _crescent_horn(proportion)
    return (0.0, height + radius), (x, y), (0.0, 0.88), (-x, y)


def _heart(x: Field, y: Field, proportion: float) -> Field:
    # A square on its corner, tip at the origin, with a half-disc on each upper side; y is turned to point up.
    size = 1.56
    x, y = np.abs(x) * (1 / size), 0.56 - y * (1 / size)
    lobe = _length(x - 0.25, y - 0.75) - 0.353553
    notch = x * x + (y - 1) * (y - 1)
    along = 0.5 * np.maximum(x + y, 0.0)
    side = (x - along) * (x - along) + (y - along) * (y - along)
    body = np.sqrt(np.minimum(notch, side)) * np.where(x < y, np.float32(-1), np.float32(1))
    return np.where(x + y > 1, lobe, body) * size


def _heart_places(proportion: float) -> tuple[Point, Point, Point, Point]:
    return (0.0, -0.63), (0.89, -0.28), (0.0, 0.83), (-0.89, -0.28)


def _arrow_parts(proportion: float) -> tuple[float, float, float]:
    """Half the width of the barbs, of the shaft, and the height at which they meet."""
    return 0.72, 0.16 + 0.1 * proportion, -0.02


def _arrow(x: Field, y: Field, proportion: float) -> Field:
    barb, shaft, neck = _arrow_parts(proportion)
    corners = [(0.0, -0.92), (barb, neck), (shaft, neck), (shaft, 0.9), (0.0, 0.9)]
    return _outline(np.abs(x), y, corners) - 0.04


def _arrow_places(proportion: float) -> tuple[Point, Point, Point, Point]:
    barb, _, neck = _arrow_parts(proportion)
    return (0.0, -0.9), (barb, neck), (0.0, 0.88), (-barb, neck)


def _drop_radius(proportion: float) -> float:
    return 0.54 + 0.08 * proportion


def _drop(x: Field, y: Field, proportion: float) -> Field:
    radius, tip = _drop_radius(proportion), 0.04
    x, y = np.abs(x), (0.96 - radius) - y  # from the round end's center, towards the tip
    length = (0.96 - radius) + 0.94
    b = (radius - tip) / length
    a = round(math.sqrt(1 - b * b), 6)
    k = y * a - x * b
    side = x * a + y * b - radius
    return np.where(k < 0, _length(x, y) - radius, np.where(k > a * length, _length(x, y - length) - tip, side))


def _drop_places(proportion: float) -> tuple[Point, Point, Point, Point]:
    radius = _drop_radius(proportion)
    return (0.0, -0.92), (0.95 * radius, 0.96 - radius), (0.0, 0.9), (-0.95 * radius, 0.96 - radius)


SHAPES: tuple[Shape, ...] = (
    Shape("disc", 0, _disc, _disc_places),
    Shape("ring", 0, _ring, _ring_places),
    Shape("triangle", 3, _triangle, _triangle_places),
    Shape("square", 4, _square, _square_places),
    Shape("star", 5, _star, _star_places),
    Shape("cross", 4, _cross, _cross_places),
    Shape("crescent", 1, _crescent, _crescent_places),
    Shape("heart", 1, _heart, _heart_places),
    Shape("arrow", 1, _arrow, _arrow_places),
    Shape("drop", 1, _drop, _drop_places),
)
