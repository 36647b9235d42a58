"""Checks of boxes: twice the same, too small, of a strange shape, in another format; and of samples without any."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.contracts import Dataset
from zorki.engine.checks.report import Inspection
from zorki.types import Boxes, Defect, Instances, Keypoints, Mask

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray

SAME = 0.9  # IoU from which on two boxes of a class are one
SMALL_SIDE = 8.0  # network pixels
SMALL_SHARE = 0.1  # of the objects
ODD_SHARE = 0.01  # of the boxes
THIN, LONG = 2.0, 25.0  # pixels of a side; times as long as wide
INVERTED = 0.05  # share of boxes with exchanged corners from which on no mouse did it
FITS = 0.98  # share of boxes that fit their images in another format
CUT = 0.1  # share of boxes that leave their images
FEW_BOXES = 20
BARE = 0.9  # share of training samples without object
MAPS = 64  # maps of classes that are decoded for it


@dataclass(frozen=True)
class ObjectTable:
    """The boxes of all samples, one a row, in pixels of their images.

    Attributes:
        xyxy: as read.
        labels: of each.
        owners: places in the dataset.
        sizes: height and width of each one's image; 0 where it is not known.
        crowd: whether it is many objects.
        bare: samples without object, by their places in the dataset.
    """

    xyxy: Float[ndarray, "N 4"]
    labels: ndarray
    owners: ndarray
    sizes: ndarray
    crowd: ndarray
    bare: frozenset[int]

    def __len__(self) -> int:
        return len(self.xyxy)


def object_table(
    dataset: Dataset[Any], indices: Sequence[int], sizes: Mapping[int, tuple[int, int]]
) -> ObjectTable | None:
    """The boxes of the samples; None where samples have none by their kind."""
    parts: list[tuple[Any, Any, int, Any]] = []
    bare = set()
    for index in indices:
        target = boxes_of(dataset.target_arrays(index))
        if target is None:
            return None
        if len(target) == 0:
            bare.add(index)
        crowd = target.crowd if target.crowd is not None else np.zeros(len(target), bool)
        parts.append((target.xyxy, target.labels, index, crowd))
    counts = [len(part[0]) for part in parts]
    own = np.array([sizes.get(part[2], (0, 0)) for part in parts], float).reshape(-1, 2)
    return ObjectTable(
        np.concatenate([np.zeros((0, 4), np.float32), *(part[0] for part in parts)]).astype(float),
        np.concatenate([np.zeros(0, np.int64), *(part[1] for part in parts)]),
        np.repeat([part[2] for part in parts], counts).astype(int),
        np.repeat(own, counts, axis=0),
        np.concatenate([np.zeros(0, bool), *(part[3] for part in parts)]),
        frozenset(bare),
    )


def boxes_of(target: Any) -> Any:
    """An annotation's boxes, in arrays, with their labels; None where it has none by its kind."""
    if isinstance(target, Boxes | Instances):
        return target
    if not isinstance(target, Keypoints) or (target.xyxy is None and len(target) > 0):
        return None
    xyxy = np.zeros((0, 4), np.float32) if target.xyxy is None else target.xyxy
    labels = np.zeros(len(target), np.int64) if target.labels is None else target.labels
    return Boxes(xyxy, labels, crowd=target.crowd)


def check_objects(
    inspection: Inspection,
    dataset: Dataset[Any],
    table: ObjectTable,
    defects: Sequence[Defect],
    side: int | None,
    *,
    sizes_count: bool = True,
) -> None:
    """All checks of boxes.

    Args:
        side: of a network's input in pixels; None without a network.
        sizes_count: whether objects are seen at the size that they have in their images.
    """
    _check_format(inspection, dataset, table, defects)
    _check_twice(inspection, dataset, table)
    if sizes_count:
        _check_small(inspection, dataset, table, side)
    _check_odd(inspection, dataset, table, defects)


def _check_twice(inspection: Inspection, dataset: Dataset[Any], table: ObjectTable) -> None:
    if not inspection.wants("ZD009"):
        return
    owners: list[int] = []
    solid = ~table.crowd
    for index in np.unique(table.owners[solid]).tolist():
        rows = np.flatnonzero((table.owners == index) & solid) if len(table) < 5000 else _rows(table, index, solid)
        owners += [index] * _twice(table.xyxy[rows], table.labels[rows])
    if owners:
        pairs = "1 pair" if len(owners) == 1 else f"{len(owners)} pairs"
        images = len(set(owners))
        where = f"in {images} image{'' if images == 1 else 's'}"
        reason = f"{pairs} of boxes of one class {where} lie on each other, IoU {SAME:g} or more"
        inspection.add("ZD009", reason, [dataset.path(index) for index in dict.fromkeys(owners)], len(owners))


def _rows(table: ObjectTable, index: int, solid: ndarray) -> ndarray:
    """The rows of a sample; owners are in order."""
    first, last = np.searchsorted(table.owners, [index, index + 1])
    return first + np.flatnonzero(solid[first:last])


def _twice(xyxy: ndarray, labels: ndarray) -> int:
    """How many pairs of one class lie on each other."""
    if len(xyxy) < 2:
        return 0
    least, most = np.maximum(xyxy[:, None, :2], xyxy[None, :, :2]), np.minimum(xyxy[:, None, 2:], xyxy[None, :, 2:])
    shared = np.prod(np.clip(most - least, 0, None), axis=2)
    areas = np.prod(np.clip(xyxy[:, 2:] - xyxy[:, :2], 0, None), axis=1)
    iou = shared / np.maximum(areas[:, None] + areas[None] - shared, 1e-9)
    same = (iou >= SAME) & (labels[:, None] == labels[None])
    return int(np.triu(same, 1).sum())


def _check_small(inspection: Inspection, dataset: Dataset[Any], table: ObjectTable, side: int | None) -> None:
    if len(table) == 0 or not inspection.wants("ZD010"):
        return
    longer = table.sizes.max(1)
    scale = np.ones(len(table)) if side is None else np.where(longer > 0, side / np.maximum(longer, 1), 1)
    sides = np.sqrt(np.prod(np.clip(table.xyxy[:, 2:] - table.xyxy[:, :2], 0, None), axis=1)) * scale
    small = (sides < SMALL_SIDE) & ~table.crowd
    if small.sum() < SMALL_SHARE * (~table.crowd).sum():
        return
    at = "in the images themselves" if side is None else f"at the network's {side} pixels"
    share = small.sum() / (~table.crowd).sum()
    reason = f"{int(small.sum()):,} of {int((~table.crowd).sum()):,} objects ({share:.0%}) are below 8 pixels {at}"
    owners = dict.fromkeys(table.owners[small].tolist())
    inspection.add("ZD010", reason, [dataset.path(index) for index in owners], int(small.sum()))


def _check_odd(inspection: Inspection, dataset: Dataset[Any], table: ObjectTable, defects: Sequence[Defect]) -> None:
    if len(table) < FEW_BOXES or not inspection.wants("ZD011"):
        return
    size = np.clip(table.xyxy[:, 2:] - table.xyxy[:, :2], 1e-6, None)
    thin = (size.min(1) < THIN) & ~table.crowd
    long = (size.max(1) / size.min(1) > LONG) & ~table.crowd & ~thin
    for rows, what in ((thin, f"thinner than {THIN:g} pixels"), (long, f"more than {LONG:g} times as long as wide")):
        if rows.sum() > ODD_SHARE * len(table):
            reason = f"{int(rows.sum()):,} of {len(table):,} boxes are {what}"
            owners = dict.fromkeys(table.owners[rows].tolist())
            inspection.add("ZD011", reason, [dataset.path(index) for index in owners], int(rows.sum()))
    cut = [defect for defect in defects if "leaves the image" in defect.reason or "lies outside of" in defect.reason]
    if len(cut) > CUT * (len(table) + len(cut)):
        reason = f"{len(cut):,} boxes leave their images, of {len(table):,}: {cut[0].reason}"
        inspection.add("ZD011", reason, list(dict.fromkeys(defect.path for defect in cut)), len(cut))


_BOX = re.compile(r"the box \(([^)]*)\) is inverted")  # as the reader of boxes says it
_ROUNDED = 0.02  # pixels by which six digits of a box differ from float32


def _check_format(inspection: Inspection, dataset: Dataset[Any], table: ObjectTable, defects: Sequence[Defect]) -> None:
    """Whether numbers that were read as x0, y0, x1, y1 are something else: corners cannot be exchanged so often."""
    if len(table) < FEW_BOXES or not inspection.wants("ZD016"):
        return
    turned = [numbers for numbers in map(_inverted, defects) if numbers is not None]
    # What a dataset in Python holds was not put right.
    inverted = (table.xyxy[:, :2] > table.xyxy[:, 2:]).any(1)
    count = len(turned) + int(inverted.sum())
    if count <= INVERTED * len(table):
        return
    raw = _raw(table, turned)
    fitting = [name for name, boxes in _readings(raw) if _fit(boxes, _frame(table)) >= FITS]
    share = count / len(table)
    reason = f"{share:.0%} of {len(table):,} boxes have their first corner beyond the second, as x0, y0, x1, y1"
    reason += f"; as {fitting[0]} all lie in their images" if fitting else ""
    files = dict.fromkeys(
        [one.path for one in defects if _inverted(one) is not None]
        + [dataset.path(index) for index in table.owners[inverted].tolist()]
    )
    inspection.add("ZD016", reason, list(files), count)


def _inverted(defect: Defect) -> tuple[float, ...] | None:
    found = _BOX.search(defect.reason)
    return None if found is None else tuple(float(value) for value in found[1].split(","))


def _raw(table: ObjectTable, turned: Sequence[tuple[float, ...]]) -> ndarray:
    """The numbers as they stood in the files: of boxes whose corners were exchanged, those that were told."""
    raw, free = table.xyxy.copy(), np.ones(len(table), bool)
    for numbers in turned:
        x0, y0, x1, y1 = numbers
        put_right = np.array([min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)])
        row = np.flatnonzero(free & (np.abs(table.xyxy - put_right).max(1) < _ROUNDED))[:1]
        raw[row], free[row] = numbers, False
    return raw


def _readings(raw: ndarray) -> Iterator[tuple[str, ndarray]]:
    first, second = raw[:, :2], raw[:, 2:]
    yield "center x, center y, width, height", np.concatenate([first - second / 2, first + second / 2], 1)
    yield "x, y, width, height", np.concatenate([first, first + second], 1)


def _frame(table: ObjectTable) -> ndarray:
    known = table.sizes.min(1) > 0
    most = table.xyxy[:, 2:].max() if len(table) else 0
    return np.where(known[:, None], table.sizes[:, ::-1], most)


def _fit(boxes: ndarray, frame: ndarray) -> float:
    """The share of boxes that lie in their images, but for two pixels."""
    inside = (boxes[:, :2] >= -2).all(1) & (boxes[:, 2:] <= frame + 2).all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1)
    return float(inside.mean())


def check_bare(
    inspection: Inspection, dataset: Dataset[Any], train: Sequence[int], objects: ObjectTable | None
) -> None:
    """Training samples that show nothing to learn."""
    if not train or not inspection.wants("ZD020"):
        return
    if objects is None and not can_be_bare(dataset.target_arrays(train[0])):
        inspection.pass_over("ZD020")
        return
    if objects is not None:
        looked, bare = len(train), [index for index in train if index in objects.bare]
    else:
        some = train[:: max(1, -(-len(train) // MAPS))]
        background = set(dataset.class_info().background)
        looked, bare = len(some), [i for i in some if is_bare(dataset.target_arrays(i), background)]
    if len(bare) >= BARE * looked:
        reason = f"{len(bare):,} of {looked:,} training samples that were looked at show no object"
        inspection.add("ZD020", reason, [dataset.path(index) for index in bare], len(bare))


def can_be_bare(target: Any) -> bool:
    """Whether an annotation of this kind can show no object; a label always is of one."""
    return isinstance(target, Boxes | Instances | Mask | Keypoints)


def is_bare(target: Any, background: set[int]) -> bool:
    """Whether an annotation, in arrays, shows no object: no row, or a map of background alone; labels always do."""
    if isinstance(target, Boxes | Instances):
        return len(target) == 0
    if isinstance(target, Keypoints):
        return not (target.visibility > 0).any()
    if isinstance(target, Mask):
        shown = set(np.unique(target.classes).tolist()) - {target.ignore}
        # A map of one class that is not called background is all background, too, where others have several.
        return shown <= (background or {0})
    return False
