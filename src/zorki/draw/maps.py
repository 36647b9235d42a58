"""Maps laid over images, in numpy: classes in colors and with edges, hatching for what is wrong, and heat."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from zorki.draw.palette import color, mark_color

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Integer, UInt8
    from numpy import ndarray

SHARE = 0.5  # of a class's color in the image
_COLORS = 40  # that differ; labels beyond share them
_HOT = ((101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (250, 193, 39), (252, 255, 164))
_HEAT_SHARE = 0.8  # of the color in the hottest pixel


@cache
def _table() -> UInt8[ndarray, "N 3"]:
    """The colors of all labels."""
    return np.array([color(label) for label in range(_COLORS)], np.uint8)


def paint(
    image: UInt8[ndarray, "3 H W"],
    classes: Integer[ndarray, "H W"],
    *,
    bare: Collection[int] = (),
    ignored: Bool[ndarray, "H W"] | None = None,
    colors: UInt8[ndarray, "N 3"] | None = None,
    share: float = SHARE,
) -> UInt8[ndarray, "3 H W"]:
    """The image with each pixel tinted in the color of its class, and edges of classes in full color.

    Args:
        bare: labels that are left as they are, such as a background's; their edges are not drawn either.
        ignored: pixels that are gray whatever their label.
        colors: RGB of the labels from 0 on, where they are not those of the project's palette.
        share: of the color in a tinted pixel, 0..1.
    """
    color_table = _table() if colors is None else colors
    labels = classes.astype(np.int64) % len(color_table)
    strength = np.full(classes.shape, round(share * 256), np.int16)
    strength[edges(classes)] = 256
    for label in bare:
        strength[classes == label] = 0
    if ignored is not None:
        labels[ignored] = len(color_table)
        strength[ignored] = 192
    # Plane by plane, so that no three-channel copy of wider numbers is made of a large image.
    painted = np.empty(image.shape, np.uint8)
    table = np.concatenate([color_table, np.array([mark_color(None)], np.uint8)]).astype(np.int16)
    for channel in range(3):
        tint, under = table[:, channel][labels], image[channel].astype(np.int16)
        painted[channel] = under + ((np.multiply(tint - under, strength, dtype=np.int32)) >> 8)
    return painted


def edges(classes: Integer[ndarray, "H W"]) -> Bool[ndarray, "H W"]:
    """Pixels beside one of another class: above, below, left or right."""
    found = np.zeros(classes.shape, bool)
    down, across = classes[1:] != classes[:-1], classes[:, 1:] != classes[:, :-1]
    found[1:] |= down
    found[:-1] |= down
    found[:, 1:] |= across
    found[:, :-1] |= across
    return found


def resized(numbers: Integer[ndarray, "H W"], height: int, width: int) -> Integer[ndarray, "h w"]:
    """A map at another size: the number at the middle of each new pixel."""
    sides = zip((height, width), numbers.shape, strict=True)
    rows, columns = (((np.arange(new) + 0.5) * (old / new)).astype(np.int64) for new, old in sides)
    return numbers[rows][:, columns]


def hatch(
    image: UInt8[ndarray, "3 H W"], where: Bool[ndarray, "H W"], period: int = 6, width: int = 2
) -> UInt8[ndarray, "3 H W"]:
    """The image with black and white diagonal stripes over some pixels; `period` and `width` are in pixels.

    Stripes are told from every color, in every kind of color blindness.
    """
    height, wide = where.shape
    place = (np.arange(height)[:, None] + np.arange(wide)) % period
    striped = image.copy()
    striped[:, where & (place < width)] = 0
    striped[:, where & (place == width)] = 255
    return striped


def heat_colors(shares: Float[ndarray, "H W"]) -> Float[ndarray, "3 H W"]:
    """Colors of values 0..1, from purple over orange to light yellow: the upper part of the scale "inferno"."""
    stops = np.linspace(0, 1, len(_HOT))
    return np.stack([np.interp(shares, stops, channel) for channel in np.array(_HOT, float).T])


def overlay(image: UInt8[ndarray, "3 H W"], values: Float[ndarray, "H W"]) -> UInt8[ndarray, "3 H W"]:
    """The image in gray, under colors that are the stronger and lighter the larger a value is.

    The largest value has the lightest color; values up to 0 have none. NaN, what was not looked at, is hatched.
    """
    known = np.nan_to_num(values, nan=0.0).clip(min=0)
    most = float(known.max(initial=0))
    shares = known / most if most > 0 else known
    gray = image.astype(np.float64).mean(0)
    strength = _HEAT_SHARE * shares
    mixed = (gray * (1 - strength) + heat_colors(shares) * strength).round().astype(np.uint8)
    return hatch(mixed, np.isnan(values)) if np.isnan(values).any() else mixed
