"""Chance, color and texture of the synthetic world: everything that is drawn from a seed, evaluated on pixel grids.

As in the shapes, arrays meet only exactly rounded operations, so a texture is bit-equal on every processor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float32

from zorki.data.scenes.shapes import turned

Value = TypeVar("Value")
Field = Float32[np.ndarray, "H W"]
Values = Float32[np.ndarray, "*S"]
Table = Float32[np.ndarray, "R C"]
Color = tuple[float, float, float]  # linear red, green, blue in 0..1

_TABLE = 32  # cells of a noise table along each side, after which it repeats; a power of two


class Chance:
    """A stream of numbers that is a function of (purpose, seed, index) alone: Philox (Salmon et al., 2011).

    Numbers are made from the generator's raw bits, whose stream numpy promises never to change, unlike that of the
    distributions built on it.
    """

    def __init__(self, purpose: int, seed: int, index: int) -> None:
        key = np.array([seed % 2**64, index % 2**64], dtype=np.uint64)
        self._bits = np.random.Philox(key=key, counter=np.array([0, 0, 0, purpose], dtype=np.uint64))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def integer(self, count: int) -> int:
        """A number in 0..count-1."""
        return int(self._bits.random_raw()) * count >> 64

    def pick(self, values: Sequence[Value]) -> Value:
        """One of the values."""
        return values[self.integer(len(values))]

    def shuffled(self, values: Sequence[Value]) -> list[Value]:
        """The values in another order (Fisher and Yates)."""
        order = list(values)
        for last in range(len(order) - 1, 0, -1):
            other = self.integer(last + 1)
            order[last], order[other] = order[other], order[last]
        return order

    def lattice(self, height: int, width: int) -> Field:
        """Numbers in [0, 1), 256 steps each."""
        return self.octets(height * width).reshape(height, width) * np.float32(1 / 256)

    def octets(self, count: int) -> Float32[np.ndarray, " N"]:
        """Whole numbers in 0..255."""
        raw: np.ndarray = np.asarray(self._bits.random_raw(-(-count // 8)), dtype="<u8")
        return raw.view(np.uint8)[:count].astype(np.float32)


def oklch(lightness: float, chroma: float, hue: float) -> Color:
    """A color of the OKLCH space (Ottosson, 2020) in linear light; chroma is lowered until a screen can show it.

    Equal steps look equal there, which keeps drawn colors in harmony. Lightness 0..1, chroma 0..0.3, hue in radians.
    """
    for _ in range(12):
        a, b = chroma * math.cos(hue), chroma * math.sin(hue)
        long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
        middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
        short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
        red = 4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short
        green = -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short
        blue = -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short
        if min(red, green, blue) >= 0 and max(red, green, blue) <= 1:
            break
        chroma *= 0.85
    return tuple(round(min(1.0, max(0.0, value)), 5) for value in (red, green, blue))  # type: ignore[return-value]


def _smooth(t: Values) -> Values:
    return t * t * (3.0 - 2.0 * t)


def _wave(t: Values) -> Values:
    """A smooth wave of period 1 between 0 and 1: a triangle with rounded ends, since sines differ between machines."""
    t = t - np.floor(t)
    return _smooth(np.abs(2.0 * t - 1.0))


def _step(distance: Values, pixel: float) -> Values:
    """1 where the distance is negative and 0 where it is positive, with one pixel of transition."""
    return np.minimum(np.maximum(0.5 - distance * (1.0 / pixel), 0.0), 1.0)


def noise_at(table: Table, x: Field, y: Field) -> Field:
    """Value noise: the table's numbers at whole coordinates, smoothly between; it repeats after the table's side."""
    column, row = np.floor(x), np.floor(y)
    fx, fy = _smooth(x - column), _smooth(y - row)
    left, top = column.astype(np.int32) & (_TABLE - 1), row.astype(np.int32) & (_TABLE - 1)
    right, bottom = (left + 1) & (_TABLE - 1), ((top + 1) & (_TABLE - 1)) * _TABLE
    top *= _TABLE
    flat = table.ravel()
    upper, lower = flat.take(top + left), flat.take(bottom + left)
    upper += (flat.take(top + right) - upper) * fx
    lower += (flat.take(bottom + right) - lower) * fx
    return upper + (lower - upper) * fy


def _cloud_at(table: Table, x: Field, y: Field) -> Field:
    """Two octaves of noise, between 0 and 1."""
    return 0.65 * noise_at(table, x, y) + 0.35 * noise_at(table, 2.0 * x + 7.0, 2.0 * y + 3.0)


def _axis(length: int, cell: float) -> tuple[np.ndarray, Float32[np.ndarray, " L"]]:
    at = np.arange(length, dtype=np.float32) * np.float32(1 / cell)
    whole = np.floor(at)
    return whole.astype(np.int64), _smooth(at - whole)


def clouds(chance: Chance, height: int, width: int, cell: Sequence[float], octaves: int = 4) -> Field:
    """Fractal noise (Perlin's sum of octaves), between 0 and 1; `cell` is the coarsest (height, width) in pixels.

    On an upright grid interpolation is separable: rows first, then columns, so an octave costs three array passes.
    """
    total = np.zeros((height, width), dtype=np.float32)
    weight, weights = 0.5, 0.0
    for octave in range(octaves):
        rows, down = _axis(height, max(1.0, cell[0] / 2**octave))
        columns, across = _axis(width, max(1.0, cell[1] / 2**octave))
        lattice = chance.lattice(int(rows[-1]) + 2, int(columns[-1]) + 2)
        lattice = lattice[rows] + (lattice[rows + 1] - lattice[rows]) * down[:, None]
        left = lattice[:, columns]
        total += weight * (left + (lattice[:, columns + 1] - left) * across)
        weights += weight
        weight *= 0.5
    return total * np.float32(1 / weights)


# -- textures of objects: a mixture of two colors at (x, y) of the shape's frame; `pixel` is a pixel's size there --


def _plain(x: Field, y: Field, pixel: float, pitch: float, table: Table) -> Field:
    return np.zeros(x.shape, dtype=np.float32)


def _stripes(x: Field, y: Field, pixel: float, pitch: float, table: Table) -> Field:
    t = y * pitch
    return _step((np.abs(t - np.floor(t) - 0.5) - 0.25) * (1 / pitch), pixel)


def _checks(x: Field, y: Field, pixel: float, pitch: float, table: Table) -> Field:
    across, down = _stripes(y, x, pixel, pitch * 0.7, table), _stripes(x, y, pixel, pitch * 0.7, table)
    return across + down - 2.0 * across * down


def _dots(x: Field, y: Field, pixel: float, pitch: float, table: Table) -> Field:
    dx, dy = x * pitch, y * pitch
    dx, dy = dx - np.floor(dx) - 0.5, dy - np.floor(dy) - 0.5
    return _step((np.sqrt(dx * dx + dy * dy) - 0.3) * (1 / pitch), pixel)


def _circles(x: Field, y: Field, pixel: float, pitch: float, table: Table) -> Field:
    return _stripes(x, np.sqrt(x * x + y * y), pixel, pitch, table)


def _fade(x: Field, y: Field, pixel: float, pitch: float, table: Table) -> Field:
    return _smooth(np.minimum(np.maximum(0.5 + 0.55 * y, 0.0), 1.0))


def _marble(x: Field, y: Field, pixel: float, pitch: float, table: Table) -> Field:
    return _wave(0.4 * pitch * (x + 0.4 * y) + 2.0 * _cloud_at(table, 1.6 * x, 1.6 * y))


def _mottle(x: Field, y: Field, pixel: float, pitch: float, table: Table) -> Field:
    cloud = _cloud_at(table, pitch * x, pitch * y)
    return _smooth(np.minimum(np.maximum(2.6 * cloud - 0.8, 0.0), 1.0))


TEXTURES: dict[str, Callable[[Field, Field, float, float, Table], Field]] = {
    "plain": _plain,
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "circles": _circles,
    "fade": _fade,
    "marble": _marble,
    "mottle": _mottle,
}


# -- grounds: a mixture of two colors for every pixel of an image ------------------------------------


def _turned_grid(chance: Chance, height: int, width: int) -> tuple[Field, Field]:
    """Pixel coordinates in a frame that is turned by chance."""
    cosine, sine = turned(chance.uniform(0.0, math.pi))
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    return x * cosine + y * sine, y * cosine - x * sine


def _sky(chance: Chance, height: int, width: int, unit: float) -> Field:
    return clouds(chance, height, width, (0.5 * unit, 0.8 * unit))


def _dusk(chance: Chance, height: int, width: int, unit: float) -> Field:
    x, _ = _turned_grid(chance, height, width)
    x = (x - x.min()) * np.float32(1 / (float(x.max() - x.min()) + 1e-3))
    return 0.85 * x + 0.15 * clouds(chance, height, width, (0.3 * unit, 0.3 * unit), 2)


def _wood(chance: Chance, height: int, width: int, unit: float) -> Field:
    broad = clouds(chance, height, width, (0.22 * unit, 1.2 * unit), 2)
    fine = clouds(chance, height, width, (0.03 * unit, 0.5 * unit), 2)
    rows = np.arange(height, dtype=np.float32)[:, None]
    planks = rows * np.float32(1 / (chance.uniform(0.22, 0.34) * unit)) + chance.uniform()
    plank = planks - np.floor(planks)
    tone = chance.lattice(int(planks[-1, 0]) + 1, 1)[np.floor(planks[:, 0]).astype(np.int64)]
    grain = 0.4 * _wave(5.0 * broad + 0.04 * rows) + 0.35 * fine + 0.25 * tone
    return grain * (0.35 + 0.65 * np.minimum(np.minimum(plank, 1.0 - plank) * 22.0, 1.0))


def _bands(chance: Chance, height: int, width: int, unit: float) -> Field:
    _, y = _turned_grid(chance, height, width)
    pitch = chance.uniform(4.0, 9.0) / unit
    t = y * pitch
    stripe = _step((np.abs(t - np.floor(t) - 0.5) - 0.25) * (1 / pitch), 1.0)
    return 0.6 * stripe + 0.4 * clouds(chance, height, width, (0.4 * unit, 0.4 * unit), 3)


def _tiles(chance: Chance, height: int, width: int, unit: float) -> Field:
    x, y = _turned_grid(chance, height, width)
    size = chance.uniform(0.14, 0.24) * unit
    column, row = x * (1 / size), y * (1 / size)
    left, top = np.floor(column), np.floor(row)
    table = chance.lattice(_TABLE, _TABLE).ravel()
    index = (left.astype(np.int64) & (_TABLE - 1)) + (top.astype(np.int64) & (_TABLE - 1)) * _TABLE
    dx, dy = np.abs(column - left - 0.5), np.abs(row - top - 0.5)
    joint = _step((0.47 - np.maximum(dx, dy)) * size, 1.0)
    return (0.25 + 0.55 * table.take(index)) * (1.0 - joint) + 0.95 * joint


def _spots(chance: Chance, height: int, width: int, unit: float) -> Field:
    x, y = _turned_grid(chance, height, width)
    pitch = chance.uniform(5.0, 9.0) / unit
    table = np.zeros((1, 1), dtype=np.float32)
    return 0.55 * _dots(x, y, 1.0, pitch, table) + 0.4 * clouds(chance, height, width, (0.5 * unit, 0.5 * unit), 3)


def _stone(chance: Chance, height: int, width: int, unit: float) -> Field:
    cloud = clouds(chance, height, width, (0.45 * unit, 0.45 * unit), 5)
    vein = 1.0 - np.minimum(np.abs(cloud - 0.5) * 14.0, 1.0)
    return 0.75 * cloud + 0.25 * vein * vein


def _linen(chance: Chance, height: int, width: int, unit: float) -> Field:
    weft = clouds(chance, height, width, (1.5, 0.3 * unit), 1)
    warp = clouds(chance, height, width, (0.3 * unit, 1.5), 1)
    return 0.35 * weft + 0.35 * warp + 0.3 * clouds(chance, height, width, (0.6 * unit, 0.6 * unit), 2)


GROUNDS: dict[str, Callable[[Chance, int, int, float], Field]] = {
    "sky": _sky,
    "dusk": _dusk,
    "wood": _wood,
    "bands": _bands,
    "tiles": _tiles,
    "spots": _spots,
    "stone": _stone,
    "linen": _linen,
}


def noise_table(chance: Chance) -> Table:
    """The numbers behind an individual's noise."""
    return chance.lattice(_TABLE, _TABLE)
