"""The objects of all images in columns: checked together, told one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from zorki.data.annotations.boxes.clean import clean
from zorki.data.annotations.outlines import DrawnShape, pack_outline
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records
from zorki.ops.rle import fault_of
from zorki.types import Defect

Array = np.ndarray[Any, np.dtype[Any]]


@runtime_checkable
class RowReader(Protocol):
    """What else of objects is read than their boxes: `noun` is what it is called, `bare` counts those without."""

    noun: str
    bare: int

    def trace(self, rows: BoxColumns, chosen: Array, records: Records, defects: list[Defect]) -> Array:
        """Those of the rows that have what is read; their boxes in `rows` may change."""


@dataclass
class BoxColumns:
    """The objects of all images, one after the other."""

    objects: list[ObjectRecord]
    owners: Array  # the place among the kept images
    images: list[ImageRecord]  # the kept ones
    xyxy: Array
    sizes: Array
    labels: Array  # -1: of no known class

    @classmethod
    def of(
        cls, records: Records, kept: list[int], sizes: dict[int, tuple[int, int]], numbers: dict[str, int]
    ) -> BoxColumns:
        images = [records.images[place] for place in kept]
        objects = [thing for image in images for thing in image.objects]
        owners = np.repeat(np.arange(len(kept)), [len(image.objects) for image in images])
        each = np.array([sizes[place] for place in kept], np.int64).reshape(-1, 2)[owners]
        xyxy = np.array([thing.xyxy for thing in objects], np.float64).reshape(-1, 4)
        if records.relative:
            xyxy = xyxy * each[:, [1, 0, 1, 0]]
        labels = np.array([numbers.get(thing.class_name, -1) for thing in objects], np.int64)
        return cls(objects, owners, images, xyxy, each, labels)

    def check(self, records: Records, order: list[str], defects: list[Defect]) -> Array:
        """The rows that stay; their boxes are put right in `xyxy`."""
        self.xyxy, keep, reasons = clean(self.xyxy, self.sizes)
        # Boxes that were made of joints are nobody's mistake; of joints outside the image they are told themselves.
        reported = {row: reason for row, reason in reasons.items() if not (keep[row] and self.objects[row].boxless)}
        defects += [self.defect(records, row, reason) for row, reason in reported.items()]
        unknown: dict[str, list[int]] = {}
        for row in np.flatnonzero(keep & (self.labels < 0)).tolist():
            unknown.setdefault(self.objects[row].class_name, []).append(row)
        for name, rows in unknown.items():
            boxes = "a box is" if len(rows) == 1 else f"{len(rows)} boxes are"
            reason = f"{boxes} of the class {name!r}, which is not among {_some(order)}; left out"
            defects.append(self.defect(records, rows[0], reason))
        return np.flatnonzero(keep & (self.labels >= 0))

    def outline(self, row: int, relative: bool) -> Any:
        """The outline of a row as it was found, in pixels."""
        outline = self.objects[row].segments
        if not relative or not outline:
            return outline
        height, width = self.sizes[row].tolist()
        return [[v * (height if place % 2 else width) for place, v in enumerate(part)] for part in outline]

    def segments(self, chosen: Array, records: Records, defects: list[Defect]) -> list[Any]:
        """The outlines of the rows, in pixels, in words that COCO knows; None where there is none, or a broken one."""
        found = []
        for row in chosen.tolist():
            outline, reason = self.outline(row, records.relative), None
            height, width = self.sizes[row].tolist()
            if isinstance(outline, DrawnShape):
                text, reason = pack_outline(outline, height, width) if height else (None, "its image has no size")
                outline = None if text is None else {"size": [height, width], "counts": text.decode()}
            elif isinstance(outline, dict):
                reason = fault_of(outline, height, width)
            if reason is not None:
                outline = None
                defects.append(self.defect(records, row, f"{reason}; its outline was left out"))
            found.append(outline)
        return found

    def defect(self, records: Records, row: int, reason: str) -> Defect:
        image, thing = self.images[self.owners[row]], self.objects[row]
        line = thing.line
        if line is None and records.line_of is not None:
            line = records.line_of(image, thing)
        which = "" if thing.identity is None else f"annotation {thing.identity}: "
        where = "" if image.source.stem == Path(image.name).stem else f"{image.name}: "
        return Defect(image.source, f"{where}{which}{reason}", line)


def _some(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")
