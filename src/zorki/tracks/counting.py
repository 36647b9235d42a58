"""Counts of objects that cross a line, or come into a polygon and leave it, by class and direction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from zorki.errors import RecipeError

Direction = Literal["in", "out"]
Point = tuple[float, float]
DIRECTIONS: tuple[Direction, Direction] = ("in", "out")
MARGIN = 0.1
"""Of the shorter side of a box: so far from an edge its side is certain. Nearer it is the one that it was on before,
so that a box that trembles on a line crosses it once."""


@dataclass(frozen=True)
class CountLine:
    """A line from one point to another, in pixels.

    Who crosses to the right hand of somebody who walks from `start` to `end`, as the image is seen, goes "in": down
    over a line that is told from left to right.
    """

    closed: ClassVar[bool] = False
    start: Point
    end: Point

    @property
    def points(self) -> tuple[Point, ...]:
        return self.start, self.end

    def is_in(self, point: Point) -> bool:
        """Whether a point lies on the side to which "in" leads, of the line without its ends."""
        return _cross(self.start, self.end, point) > 0

    def distance(self, point: Point) -> float:
        """From the line without its ends, in pixels."""
        return abs(_cross(self.start, self.end, point)) / math.dist(self.start, self.end)

    def is_crossed(self, path: tuple[Point, Point]) -> bool:
        """Whether a path from one side to the other passes between the ends."""
        first, second = (_cross(*path, end) for end in self.points)
        return (first >= 0) != (second >= 0)


@dataclass(frozen=True)
class CountZone:
    """A polygon, in pixels, by its corners in order; edges that cross leave holes, by the even-odd rule."""

    closed: ClassVar[bool] = True
    corners: tuple[Point, ...]

    @property
    def points(self) -> tuple[Point, ...]:
        return self.corners

    def is_in(self, point: Point) -> bool:
        x, y = point
        inside = False
        for (x0, y0), (x1, y1) in self._edges():
            if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                inside = not inside
        return inside

    def distance(self, point: Point) -> float:
        """From the nearest edge, in pixels."""
        return min(_to_segment(point, *edge) for edge in self._edges())

    def is_crossed(self, path: tuple[Point, Point]) -> bool:
        """Who is on the other side now has come through an edge."""
        return True

    def _edges(self) -> list[tuple[Point, Point]]:
        return list(zip(self.corners, (*self.corners[1:], self.corners[0]), strict=True))


CountPlace = CountLine | CountZone


@dataclass(frozen=True)
class Crossing:
    """An object that has crossed the line, or an edge of the polygon, number `place` of a `Counter`."""

    place: int
    identity: int
    label: int
    direction: Direction


@dataclass(frozen=True)
class _Side:
    """Where an object was when that was certain, and on which side."""

    is_in: bool
    point: Point
    label: int


@dataclass(frozen=True)
class Counts:
    """What was counted: a value, whose size depends on how many objects are followed.

    Attributes:
        sides: by place and identity.
        totals: by place, label and direction, since the beginning.
    """

    sides: Mapping[tuple[int, int], _Side] = field(default_factory=dict)
    totals: Mapping[tuple[int, int, Direction], int] = field(default_factory=dict)

    def total(self, place: int, direction: Direction, label: int | None = None) -> int:
        """Crossings in a direction, of a class, or of all."""
        return sum(
            count
            for (where, of, way), count in self.totals.items()
            if (where, way) == (place, direction) and label in (None, of)
        )

    def inside(self, place: int, label: int | None = None) -> int:
        """Objects that are in a polygon, of a class, or of all; those just lost are where they were."""
        return sum(
            side.is_in for (where, _), side in self.sides.items() if where == place and label in (None, side.label)
        )

    def labels(self, place: int) -> list[int]:
        """Classes of which something was counted, or is in."""
        crossed = {label for where, label, _ in self.totals if where == place}
        return sorted(
            crossed | {side.label for (where, _), side in self.sides.items() if where == place and side.is_in}
        )


class Counter:
    """Counts the centers of boxes, each id once a crossing.

    The path between two frames in which the side of an object is certain is taken as straight: an object that is hidden
    while it crosses is counted when it is seen again.
    """

    def __init__(self, places: Sequence[CountPlace]) -> None:
        self.places = tuple(places)

    def start(self) -> Counts:
        return Counts()

    def step(
        self,
        counts: Counts,
        ids: np.ndarray,
        xyxy: np.ndarray,
        labels: np.ndarray,
        followed: np.ndarray,
    ) -> tuple[Counts, list[Crossing]]:
        """The counts after a frame, and who crossed in it.

        Args:
            ids, xyxy, labels: (N), (N, 4) and (N) of the boxes of the frame.
            followed: ids of all objects that may come again; others are forgotten.
        """
        alive = set(followed.tolist())
        sides = {key: side for key, side in counts.sides.items() if key[1] in alive}
        totals, crossings = dict(counts.totals), []
        for identity, box, label in zip(ids.tolist(), xyxy.tolist(), labels.tolist(), strict=True):
            point = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            margin = MARGIN * min(box[2] - box[0], box[3] - box[1])
            for number, place in enumerate(self.places):
                if place.distance(point) < margin:
                    continue
                side, before = place.is_in(point), sides.get((number, identity))
                sides[number, identity] = _Side(side, point, label)
                if before is None or before.is_in == side or not place.is_crossed((before.point, point)):
                    continue
                crossing = Crossing(number, identity, label, DIRECTIONS[0] if side else DIRECTIONS[1])
                key = (number, label, crossing.direction)
                totals[key] = totals.get(key, 0) + 1
                crossings.append(crossing)
        return Counts(sides, totals), crossings


def count_line(text: str) -> CountLine:
    """The line that `x1,y1,x2,y2` tells. Raises RecipeError where it is none."""
    points = _points(text, "a line", "x1,y1,x2,y2", 2, 2)
    if points[0] == points[1]:
        raise RecipeError(f"{text!r} is no line: both ends are one point; expected x1,y1,x2,y2 in pixels")
    return CountLine(points[0], points[1])


def count_zone(text: str) -> CountZone:
    """The polygon that `x,y,x,y,x,y,...` tells. Raises RecipeError where it is none."""
    points = _points(text, "a zone", "x,y,x,y,x,y,..., three corners or more", 3, None)
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, [*points[1:], points[0]], strict=True))
    if len(set(points)) < 3 or (len(points) == 3 and area == 0):
        raise RecipeError(f"{text!r} is no zone: it has no area; expected three corners or more, x,y,x,y,x,y in pixels")
    return CountZone(tuple(points))


def _points(text: str, what: str, form: str, least: int, most: int | None) -> list[Point]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    count = len(values) // 2
    valid = len(values) % 2 == 0 and count >= least and (most is None or count <= most)
    if not valid or not all(math.isfinite(value) for value in values):
        raise RecipeError(f"{text!r} is not {what}; expected {form} in pixels")
    return list(zip(values[::2], values[1::2], strict=True))


def _cross(start: Point, end: Point, point: Point) -> float:
    """Twice the area of the triangle; above 0 where the point is to the right, as an image is seen."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


def _to_segment(point: Point, start: Point, end: Point) -> float:
    length = math.dist(start, end) ** 2
    along = (point[0] - start[0]) * (end[0] - start[0]) + (point[1] - start[1]) * (end[1] - start[1])
    share = min(1.0, max(0.0, along / length)) if length else 0.0
    return math.dist(point, (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])))
