"""Outlines of objects as formats give them, packed into run lengths: the one form in which masks are kept.

An outline is a list of polygons [x, y, x, y, ...] in pixels, which are joined; COCO's run lengths {"counts", "size"};
or `DrawnShape`, what only drawing tools know: pixels inside of a box, parts with holes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import acos, ceil, cos, isfinite, pi, sin
from typing import Any

import numpy as np

from zorki.data.annotations.records import ObjectRecord, bounds_of
from zorki.data.images import MAX_PIXELS, size_reason
from zorki.ops.polygons import FARTHEST, longest_way, way_round
from zorki.ops.rle import fault_of, pack, packed

Array = np.ndarray[Any, np.dtype[Any]]

_OFF = 0.02  # pixels by which the polygon of a circle may be off


@dataclass(frozen=True, slots=True)
class DrawnShape:
    """An outline that has pixels once the size of its image is known.

    `fill(height, width)` gives them, (H, W) bool, and raises ValueError where it cannot.
    """

    fill: Callable[[int, int], Array]


def pack_outline(
    outline: Any, height: int, width: int, *, max_pixels: int = MAX_PIXELS
) -> tuple[bytes | None, str | None]:
    """The mask of an outline as packed run lengths, and what was wrong with the outline.

    Both, where some polygons could be filled and others not. No mask where nothing is left, no pixel is covered, or the
    image is said to have more pixels than `max_pixels`.
    """
    from hotcoco.mask import area, frPyObjects, merge

    reason = None
    if not outline:
        return None, "it has no outline"
    if (beyond := size_reason((width, height), max_pixels)) is not None:
        return None, f"its mask cannot be made: {beyond}"
    if isinstance(outline, DrawnShape):
        try:
            text = pack(outline.fill(height, width))
        except ValueError as error:
            return None, str(error)
    elif isinstance(outline, dict):
        if (fault := fault_of(outline, height, width)) is not None:
            return None, fault
        text = packed(outline)
    elif isinstance(outline, list):
        parts, reason = _sound(outline, longest_way(height, width))
        if not parts:
            return None, reason
        text = bytes(merge(frPyObjects(parts, height, width))["counts"])
    else:
        return None, f"its outline is {outline!r:.40}; expected polygons or run lengths"
    if not area({"size": [height, width], "counts": text}):
        return None, reason or "its mask is empty: the outline covers the center of no pixel"
    return text, reason


def outline_fault(outline: Any, height: int, width: int, *, max_pixels: int = MAX_PIXELS) -> str | None:
    """What is wrong with polygons or run lengths of an image, before they are filled; None where nothing is."""
    if (beyond := size_reason((width, height), max_pixels)) is not None:
        return f"its mask cannot be made: {beyond}"
    if isinstance(outline, dict):
        return fault_of(outline, height, width)
    return (
        _sound(outline, longest_way(height, width))[1]
        if isinstance(outline, list)
        else f"its outline is {outline!r:.40}"
    )


def pixels_of(outline: Any, height: int, width: int) -> Array:
    """The pixels (H, W) of an outline. Raises ValueError where any of it is wrong."""
    from hotcoco import mask

    return np.asarray(mask.decode(_coded(_packed(outline, height, width), height, width))).astype(bool)


def _packed(outline: Any, height: int, width: int) -> bytes:
    text, reason = pack_outline(outline, height, width)
    if text is None or reason is not None:
        raise ValueError(reason)
    return text


def _coded(text: bytes, height: int, width: int) -> dict[str, Any]:
    """COCO's run lengths."""
    return {"size": [height, width], "counts": text}


def _sound(outline: list[Any], most: float) -> tuple[list[list[float]], str | None]:
    """The polygons that can be filled, and what is wrong with the first of the others."""
    if all(isinstance(value, int | float) for value in outline):
        outline = [outline]  # a lone polygon, as some tools write it
    parts, reason, left = [], None, most
    for part in outline:
        values = _numbers(part)
        fault = _fault(part, values)
        if fault is None and (left := left - way_round(values.reshape(-1, 2))) < 0:
            fault = f"its outline is longer than {most:g} pixels"
        if fault is None:
            parts.append(values.tolist())  # numbers that were written as text are numbers now
        reason = reason or fault
    return parts, reason


def usable_polygons(outline: list[Any]) -> tuple[list[list[float]], int]:
    """The polygons of three points or more, and how many others there are, which COCO's tools cannot read."""
    if all(isinstance(value, int | float) for value in outline):
        outline = [outline]
    parts = [(part, _numbers(part)) for part in outline]
    usable = [values.tolist() for part, values in parts if _fault(part, values) is None]
    return usable, len(parts) - len(usable)


def _numbers(part: Any) -> Array:
    """The values of a polygon as they stand; without a dimension where they are no numbers."""
    try:
        return np.asarray(part, np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.zeros((0, 0))


def _fault(part: Any, values: Array) -> str | None:
    if values.ndim != 1:
        return f"a polygon is {part!r:.40}; expected a list of numbers x, y, x, y, ..."
    if len(values) % 2:
        return f"a polygon has {len(values)} numbers; expected as many x as y"
    if len(values) < 6:
        points = "1 point" if len(values) == 2 else f"{len(values) // 2} points"
        return f"a polygon has {points}; expected three or more"
    if not bool((np.abs(values) <= FARTHEST).all()):  # so that not-a-number is refused too
        return f"a polygon has a value that is no number, or beyond {FARTHEST:g} pixels"
    return None


def box_outline(xyxy: Sequence[float], angle: float = 0.0) -> list[list[float]]:
    """The four corners of a box that is turned about its center by `angle`, in radians, clockwise as one sees it."""
    left, top, right, bottom = xyxy
    if not angle:
        return [[left, top, right, top, right, bottom, left, bottom]]
    x, y, half_x, half_y = (left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2
    c, s = cos(angle), sin(angle)
    corners = [(-half_x, -half_y), (half_x, -half_y), (half_x, half_y), (-half_x, half_y)]
    return [[value for a, b in corners for value in (x + a * c - b * s, y + a * s + b * c)]]


def turned_bounds(xyxy: Sequence[float], angle: float) -> tuple[float, float, float, float]:
    """The upright box around a box that is turned about its center by `angle`, in radians."""
    left, top, right, bottom = xyxy
    if not angle:
        return left, top, right, bottom
    x, y, half_x, half_y = (left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2
    c, s = abs(cos(angle)), abs(sin(angle))
    wide, high = half_x * c + half_y * s, half_x * s + half_y * c
    return x - wide, y - high, x + wide, y + high


def round_outline(x: float, y: float, rx: float, ry: float, angle: float = 0.0) -> list[list[float]] | None:
    """An ellipse as a polygon that is off by a fiftieth of a pixel at most; None where a value is not finite.

    One whose radius is beyond `FARTHEST` has eight points, some of them beyond it too: it is refused by that.
    """
    if not all(map(isfinite, (x, y, rx, ry, angle))):
        return None
    radius = max(abs(rx), abs(ry), 2 * _OFF)
    count = max(8, ceil(pi / acos(1 - _OFF / radius))) if radius <= FARTHEST else 8
    c, s = cos(angle), sin(angle)
    points = [(rx * cos(2 * pi * step / count), ry * sin(2 * pi * step / count)) for step in range(count)]
    return [[value for a, b in points for value in (x + a * c - b * s, y + a * s + b * c)]]


def pixels_at(left: float, top: float, decode: Callable[[], Array]) -> DrawnShape:
    """Pixels whose upper left one is at (left, top); what leaves the image is cut off.

    `decode` raises ValueError where there are none, or more of them than an image may have.
    """

    def fill(height: int, width: int) -> Array:
        if not (abs(left) <= FARTHEST and abs(top) <= FARTHEST):  # so that not-a-number is refused too
            raise ValueError(f"its pixels begin at ({left:g}, {top:g}): no number, or beyond {FARTHEST:g} pixels")
        found = np.zeros((height, width), bool)
        pixels = decode()
        row, column = round(top), round(left)
        up, before = max(0, -row), max(0, -column)
        inside = pixels[up : max(up, height - row), before : max(before, width - column)]
        found[row + up : row + up + inside.shape[0], column + before : column + before + inside.shape[1]] = inside
        return found

    return DrawnShape(fill)


def join_groups(shapes: Sequence[tuple[ObjectRecord, object | None]]) -> list[ObjectRecord]:
    """The objects of drawn shapes: those of one class and one group, where it is not None, are parts of one object.

    A part that lies wholly within others is a hole in them, and one within a hole an island. The joined object stands
    where its first part stood.
    """
    members: dict[tuple[str, object], list[ObjectRecord]] = {}
    for thing, group in shapes:
        if group is not None and all(map(isfinite, thing.xyxy)):
            members.setdefault((thing.class_name, group), []).append(thing)
    found: list[ObjectRecord] = []
    for thing, group in shapes:
        parts = members.get((thing.class_name, group), [])
        if len(parts) < 2 or all(part is not thing for part in parts):
            found.append(thing)
        elif parts[0] is thing:
            corners = bounds_of([value for part in parts for value in part.xyxy])
            outlines = [part.segments or box_outline(part.xyxy) for part in parts]
            crowd, difficult = any(part.crowd for part in parts), any(part.difficult for part in parts)
            found.append(ObjectRecord(thing.class_name, corners, crowd, difficult, thing.line, _nested(outlines)))
    return found


def _nested(outlines: Sequence[Any]) -> DrawnShape:
    from hotcoco import mask

    def fill(height: int, width: int) -> Array:
        whole = np.zeros((height, width), bool)
        texts = dict.fromkeys(_packed(one, height, width) for one in outlines)  # once, also what was drawn twice
        # Pixels of one part at a time: a group may have thousands of parts.
        for text in sorted(texts, key=lambda text: -int(mask.area(_coded(text, height, width)))):
            part = np.asarray(mask.decode(_coded(text, height, width))).astype(bool)
            whole = whole & ~part if (whole | ~part).all() else whole | part
        return whole

    return DrawnShape(fill)
