"""Joints and limbs on uint8 images (3, H, W), in numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from PIL import ImageDraw

from zorki.draw.images import Color, to_array, to_image

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

_WHITE: Color = (255, 255, 255)


class Figure(NamedTuple):
    """One object: (x, y) of each joint in pixels, its flag (0 not drawn, 1 hidden, 2 visible), and a color."""

    points: Sequence[Sequence[float]]
    flags: Sequence[int]
    ink: Color


def figures(
    image: UInt8[ndarray, "3 H W"], objects: Sequence[Figure], limbs: Sequence[tuple[int, int]]
) -> UInt8[ndarray, "3 H W"]:
    """The image with objects on it: limbs as lines, joints as dots, hidden ones as rings.

    A limb is drawn where both its joints are; what lies beyond the image, or is no number, is not.
    """
    if not objects:
        return image
    canvas = to_image(image)
    pen = ImageDraw.Draw(canvas)
    scale = min(canvas.size)
    for one in objects:
        radius, line = _sizes(scale, len(one.points))
        drawn = [
            flag > 0 and all(math.isfinite(value) and abs(value) < 1e6 for value in point)
            for point, flag in zip(one.points, one.flags, strict=True)
        ]
        for first, second in limbs:
            if drawn[first] and drawn[second]:
                pen.line([tuple(one.points[first]), tuple(one.points[second])], fill=one.ink, width=line)
        for (x, y), flag, shown in zip(one.points, one.flags, drawn, strict=True):
            if shown:
                box = (x - radius, y - radius, x + radius, y + radius)
                pen.ellipse(box, fill=one.ink if flag > 1 else _WHITE, outline=_WHITE if flag > 1 else one.ink)
    return to_array(canvas)


def _sizes(scale: int, joints: int) -> tuple[float, int]:
    """Radius of a joint and width of a limb, in pixels: smaller where many joints lie together, as in faces."""
    many = joints > 30
    return max(1.5, scale / (220 if many else 110)), max(1, round(scale / (400 if many else 200)))
