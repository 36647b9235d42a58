"""The joints of all objects, checked as their boxes are read; what is odd about them is counted and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zorki.data.annotations.boxes.clean import TOLERANCE
from zorki.data.annotations.boxes.columns import BoxColumns
from zorki.data.annotations.records import Records
from zorki.types import Defect, Skeleton

Array = np.ndarray[Any, np.dtype[Any]]

_ODD = {
    "outside": "{} labeled joints lie outside of their image; they are kept as they are",
    "at_zero": "{} joints are flagged as labeled and lie at (0, 0), where tools put what they do not know; they are "
    "taken as not labeled",
    "no_number": "{} joints are flagged as labeled and have no number for a place; they are taken as not labeled",
    "flag": "{} joints have a flag other than 0, 1 and 2; those above 0 are taken as visible",
}


@dataclass
class _Odd:
    """How many joints are odd, by what is odd about them, and the row of the first."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, row: int, count: int) -> None:
        if count:
            self.counts[what] += count
            self.first.setdefault(what, row)


class JointColumns:
    """Turns the joints of objects into arrays, in the order of the rows that it keeps.

    `points` (P, 2), float32 and in pixels, `flags` (P), and whether the box was made of the joints: one a row.
    """

    noun = "joint"

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self.points: list[Array] = []
        self.flags: list[Array] = []
        self.boxless: list[bool] = []
        self.bare = 0

    def trace(self, rows: BoxColumns, chosen: Array, records: Records, defects: list[Defect]) -> Array:
        """Those of the rows that have joints; crowds without any stay, since nobody has to find anything in them."""
        count, kept = len(self.skeleton), []
        odd = _Odd()
        labeled: Array = np.zeros(count, np.int64)
        for row in chosen.tolist():
            thing = rows.objects[row]
            joints: Sequence[tuple[float, float, float]] = thing.joints or ()
            if thing.joints is None and not thing.crowd:
                self.bare += 1
                continue
            if thing.joints is not None and len(joints) != count:
                reason = f"the object has {len(joints)} joints, and its skeleton {count}; it was left out"
                defects.append(rows.defect(records, row, reason))
                continue
            points, flags = self._checked(rows, row, records.relative, odd)
            kept.append(row)
            self.points.append(points)
            self.flags.append(flags)
            self.boxless.append(thing.boxless)
            labeled += flags > 0
        self._tell(rows, records, odd, labeled, defects)
        return np.array(kept, np.int64)

    def _checked(self, rows: BoxColumns, row: int, relative: bool, odd: _Odd) -> tuple[Array, Array]:
        joints = rows.objects[row].joints or [(0.0, 0.0, 0.0)] * len(self.skeleton)
        values = np.array(joints, np.float64).reshape(-1, 3)
        points, flags = values[:, :2], values[:, 2]
        height, width = rows.sizes[row].tolist()
        if relative:
            points = points * (width, height)
        stated = flags > 0
        unknown = stated & ~np.isfinite(points).all(1)
        at_zero = stated & (points == 0).all(1)
        with np.errstate(invalid="ignore"):
            beyond = ((points < -TOLERANCE) | (points > np.array([width, height]) + TOLERANCE)).any(1)
        outside = stated & ~unknown & beyond & (min(height, width) > 0)
        strange = ~np.isin(flags, (0, 1, 2))
        for name, which in (("no_number", unknown), ("at_zero", at_zero), ("outside", outside), ("flag", strange)):
            odd.add(name, row, int(which.sum()))
        clean = np.where(stated & ~unknown & ~at_zero, np.where(flags == 1, 1, 2), 0)
        return np.where(clean[:, None] > 0, points, 0).astype(np.float32), clean.astype(np.int64)

    def _tell(self, rows: BoxColumns, records: Records, odd: _Odd, labeled: Array, defects: list[Defect]) -> None:
        reasons = []
        for name, row in odd.first.items():
            where = str(rows.defect(records, row, "")).removesuffix(": ")
            reasons.append(f"{_ODD[name].format(odd.counts[name])}; the first: {where}")
        never = [name for name, count in zip(self.skeleton.names, labeled.tolist(), strict=True) if not count]
        if never and self.points:
            names = ", ".join(never[:5]) + (f", ... ({len(never)} in all)" if len(never) > 5 else "")
            reasons.append(f"of {len(self.skeleton)} joints, {names} are labeled in no object: nothing can learn them")
        if self.bare:
            reasons.append(f"{self.bare} objects have no joints; left out, which detection can learn")
        defects += [Defect(records.root, reason, note=True) for reason in reasons]
