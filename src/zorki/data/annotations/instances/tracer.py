"""Outlines of objects, packed into run lengths as their boxes are read."""

from __future__ import annotations

from typing import Any

import numpy as np

from zorki.data.annotations.boxes.columns import BoxColumns
from zorki.data.annotations.outlines import box_outline, pack_outline
from zorki.data.annotations.records import Records
from zorki.types import Defect

Array = np.ndarray[Any, np.dtype[Any]]


class Tracer:
    """Turns outlines into packed run lengths, in the order of the rows that it keeps; `bare` counts those without."""

    noun = "mask"

    def __init__(self) -> None:
        self.packed: list[bytes] = []
        self.bare = 0

    def trace(self, rows: BoxColumns, chosen: Array, records: Records, defects: list[Defect]) -> Array:
        """Those of the rows that have a mask; their boxes in `rows` become tight around it."""
        from hotcoco.mask import to_bbox

        kept: list[int] = []
        tight: list[Array] = []
        for row in chosen.tolist():
            outline = rows.outline(row, records.relative)
            if not outline and records.boxes_are_shapes:
                outline = box_outline(rows.xyxy[row].tolist())
            height, width = rows.sizes[row].tolist()
            text, reason = pack_outline(outline, height, width)
            self.bare += not outline
            if reason is not None:
                what = "the object was left out" if text is None else "the other parts were taken"
                defects.append(rows.defect(records, row, f"{reason}; {what}"))
            if text is not None:
                kept.append(row)
                self.packed.append(text)
                tight.append(to_bbox({"size": [height, width], "counts": text}))
        if kept:
            corners = np.stack(tight)
            rows.xyxy[kept] = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], 1)
        return np.array(kept, np.int64)
