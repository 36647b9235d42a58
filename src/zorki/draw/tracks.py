"""Tracks of objects on the frames of a video: where they came from, and the lines and zones that count them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import ImageDraw

from zorki.draw.images import Color, label, to_array, to_image

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

Path = Sequence[tuple[float, float]]
COUNT_COLOR: Color = (255, 214, 10)
_EDGE: Color = (20, 22, 26)


def tails(image: UInt8[ndarray, "3 H W"], paths: Sequence[tuple[Path, Color]]) -> UInt8[ndarray, "3 H W"]:
    """The image with the ways that objects came, oldest point first, each in its color, growing thicker."""
    if not any(len(path) > 1 for path, _ in paths):
        return image
    canvas = to_image(image)
    pen = ImageDraw.Draw(canvas)
    line = max(2, round(min(canvas.size) / 120))
    for path, ink in paths:
        for number in range(1, len(path)):
            width = max(1, round(line * number / (len(path) - 1)))
            pen.line([path[number - 1], path[number]], fill=ink, width=width)
    return to_array(canvas)


def counted_place(image: UInt8[ndarray, "3 H W"], points: Path, text: str, *, closed: bool) -> UInt8[ndarray, "3 H W"]:
    """The image with a line or, `closed`, a polygon that counts, and its counts at its begin, or its top.

    A line has an arrow to the side where "in" leads: to the right of somebody who walks along it.
    """
    canvas = to_image(image)
    pen = ImageDraw.Draw(canvas)
    width = max(2, round(min(canvas.size) / 160))
    edges = list(zip(points, [*points[1:], points[0]] if closed else points[1:], strict=closed))
    for ink, wide in ((_EDGE, width + 2), (COUNT_COLOR, width)):
        for edge in edges:
            pen.line(list(edge), fill=ink, width=wide)
        if not closed:
            pen.line(_arrow(points[0], points[1], 6 * width), fill=ink, width=wide, joint="curve")
    label(canvas, min(points, key=lambda point: point[1]) if closed else points[0], text, COUNT_COLOR)
    return to_array(canvas)


def _arrow(start: tuple[float, float], end: tuple[float, float], size: float) -> list[tuple[float, float]]:
    """The strokes of an arrow off a third of the line, to its right."""
    length = math.dist(start, end)
    along = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
    out = (-along[1], along[0])  # x to the right and y down
    foot = (start[0] + (end[0] - start[0]) / 3, start[1] + (end[1] - start[1]) / 3)
    tip = (foot[0] + out[0] * size, foot[1] + out[1] * size)
    back = [
        (tip[0] - 0.4 * size * (out[0] + side * along[0]), tip[1] - 0.4 * size * (out[1] + side * along[1]))
        for side in (-1, 1)
    ]
    return [foot, tip, back[0], tip, back[1]]
