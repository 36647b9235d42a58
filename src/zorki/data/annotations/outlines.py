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
from zorki.ops.polygons import FARTHEST
from zorki.ops.rle import fault_of, pack, packed

Array = np.ndarray[Any, np.dtype[Any]]

_OFF = 0.02  # pixels by which the polygon of a circle may be off


@dataclass(frozen=True, slots=True)
class DrawnShape:
    """An outline that has pixels once the size of its image is known.

    `fill(height, width)` gives them, (H, W) bool, and raises ValueError where it cannot.
    """

    fill: Callable[[int, int], Array]


def pack_outline(outline: Any, height: int, width: int) -> tuple[bytes | None, str | None]:
    """The mask of an outline as packed run lengths, and what was wrong with the outline.

    Both, where some polygons could be filled and others not. No mask where nothing is left, or no pixel is covered.
    """
    from hotcoco.mask import area, frPyObjects, merge

    reason = None
    if not outline:
        return None, "it has no outline"
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
        parts, reason = _sound(outline)
        if not parts:
            return None, reason
        text = bytes(merge(frPyObjects(parts, height, width))["counts"])
    else:
        return None, f"its outline is {outline!r:.40}; expected polygons or run lengths"
    if not area({"size": [height, width], "counts": text}):
        return None, reason or "its mask is empty: the outline covers the center of no pixel"
    return text, reason


def pixels_of(outline: Any, height: int, width: int) -> Array:
    """The pixels (H, W) of an outline. Raises ValueError where any of it is wrong."""
    from hotcoco import mask

    text, reason = pack_outline(outline, height, width)
    if text is None or reason is not None:
        raise ValueError(reason)
    return np.asarray(mask.decode({"size": [height, width], "counts": text})).astype(bool)


def _sound(outline: list[Any]) -> tuple[list[list[float]], str | None]:
    """The polygons that can be filled, and what is wrong with the first of the others."""
    if all(isinstance(value, int | float) for value in outline):
        outline = [outline]  # a lone polygon, as some tools write it
    parts, reason = [], None
    for part in outline:
        fault = _fault(part)
        if fault is None:
            parts.append(part)
        reason = reason or fault
    return parts, reason


def _fault(part: Any) -> str | None:
    try:
        values = np.asarray(part, np.float64)
    except (TypeError, ValueError):
        values = np.zeros((0, 0))
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


def round_outline(x: float, y: float, rx: float, ry: float, angle: float = 0.0) -> list[list[float]] | None:
    """An ellipse as a polygon that is off by a fiftieth of a pixel at most; None where a value is not finite."""
    if not all(map(isfinite, (x, y, rx, ry, angle))):
        return None
    radius = max(abs(rx), abs(ry), 2 * _OFF)
    count = max(8, ceil(pi / acos(1 - _OFF / radius)))
    c, s = cos(angle), sin(angle)
    points = [(rx * cos(2 * pi * step / count), ry * sin(2 * pi * step / count)) for step in range(count)]
    return [[value for a, b in points for value in (x + a * c - b * s, y + a * s + b * c)]]


def pixels_at(left: float, top: float, decode: Callable[[], Array]) -> DrawnShape:
    """Pixels whose upper left one is at (left, top); what leaves the image is cut off."""

    def fill(height: int, width: int) -> Array:
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
    def fill(height: int, width: int) -> Array:
        whole = np.zeros((height, width), bool)
        done: list[Array] = []
        for part in sorted((pixels_of(one, height, width) for one in outlines), key=lambda part: -int(part.sum())):
            if any(np.array_equal(part, other) for other in done):
                continue  # drawn twice
            whole = whole & ~part if (whole | ~part).all() else whole | part
            done.append(part)
        return whole

    return DrawnShape(fill)
