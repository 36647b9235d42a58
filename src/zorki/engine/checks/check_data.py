"""`zorki check DATA`: what can be told of data before any network sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zorki.contracts import Dataset, Task
from zorki.data.images import image_size
from zorki.engine.checks.classes import check_classes, check_groups
from zorki.engine.checks.images import check_copies, check_files, check_near, check_order
from zorki.engine.checks.labels import check_labels
from zorki.engine.checks.masks import check_masks
from zorki.engine.checks.objects import ObjectTable, boxes_of, check_bare, check_objects, object_table
from zorki.engine.checks.pixel_table import PixelTable, look_at_pixels
from zorki.engine.checks.report import Inspection
from zorki.engine.data_check import Survey, survey
from zorki.errors import DataError
from zorki.input_files.content import is_file
from zorki.types import Keypoints

READING = 0.5  # of the time that is left, for reading images
MOST_TARGETS = 20_000  # samples whose annotations are checked
_PIXELS = ("ZD001", "ZD003", "ZD004", "ZD012", "ZD014", "ZD015", "ZD019")


def check_dataset(
    inspection: Inspection,
    task: Task[Any, Any],
    dataset: Dataset[Any],
    side: int | None = None,
    reading: float = READING,
) -> Survey:
    """All checks of a dataset.

    Args:
        side: of a network's input, in pixels; None without a network.
        reading: share of the time that is left in which images are read.
    """
    inspection.root = dataset.root if dataset.root.is_dir() else dataset.root.parent
    found = survey(dataset)
    indices = sorted({index for own in found.splits.values() for index in own})
    facts = inspection.report.facts
    facts["format"] = f"{dataset.format}: {dataset.reason}"
    facts["splits"] = ", ".join(f"{name} {len(own):,}" for name, own in found.splits.items())
    facts["classes"] = f"{len(dataset.class_names):,}"
    train = found.splits.get("train") or indices
    if task.unit != "video":
        check_masks(inspection, dataset, train)  # of some images, while counting classes may read all masks
    if inspection.has_time("classes", 0.9) and inspection.wants("ZD005", "ZD006", "ZD007", "ZD008"):
        check_classes(inspection, dataset, task.data.statistics(dataset), open_set=task.data.open_set)
    table = _pixels(inspection, task, dataset, indices, reading)
    objects = _objects(inspection, dataset, indices, table)
    if table is not None and len(table):
        check_labels(inspection, dataset, train, table, objects)
    if objects is not None:
        # Of joints each object is cut out and enlarged: its size in the image is not what a network sees.
        sizes_count = not isinstance(_first(dataset, indices), Keypoints)
        check_objects(inspection, dataset, objects, found.defects, side, sizes_count=sizes_count)
    check_files(inspection, dataset, found, table)
    check_bare(inspection, dataset, train, objects)
    if table is not None and len(table):
        check_copies(inspection, dataset, found.splits, table)
    check_groups(inspection, dataset, found.splits)
    if task.unit != "video":
        check_order(inspection, dataset, indices)
    if table is not None and len(table):
        check_near(inspection, dataset, found.splits, table)
    return found


def _pixels(
    inspection: Inspection, task: Task[Any, Any], dataset: Dataset[Any], indices: Sequence[int], reading: float
) -> PixelTable | None:
    if not any(id in inspection.chosen for id in _PIXELS):
        return None
    if task.unit == "video":
        inspection.leave_out("pixels: films are not decoded")
        return None
    end = (1 - reading) * inspection.left  # of what is left: on a busy machine looking at files has taken its time, too
    table = look_at_pixels(dataset, indices, lambda: inspection.left > end)
    if not table.complete:
        inspection.leave_out(f"pixels: {len(table):,} of {len(indices):,} images were decoded, by chance")
    return table


def _objects(
    inspection: Inspection, dataset: Dataset[Any], indices: Sequence[int], table: PixelTable | None
) -> ObjectTable | None:
    chosen = _some(indices, MOST_TARGETS)
    first = _first(dataset, chosen)
    if first is None or boxes_of(first) is None:
        return None
    if len(chosen) < len(indices):
        inspection.leave_out(f"boxes: those of {len(chosen):,} of {len(indices):,} images were checked")
    known = {} if table is None else dict(zip(table.indices.tolist(), map(tuple, table.sizes.tolist()), strict=True))
    return object_table(dataset, chosen, {index: known.get(index) or _size(dataset, index) for index in chosen})


def _size(dataset: Dataset[Any], index: int) -> tuple[int, int]:
    """Height and width by the file's header, or of the decoded image; (0, 0) where it is broken."""
    path = dataset.path(index)
    try:
        return image_size(path) if is_file(path) else dataset.arrays(index).image.shape[-2:]
    except DataError:
        return 0, 0


def _first(dataset: Dataset[Any], indices: Sequence[int]) -> Any:
    for index in indices:
        try:
            return dataset.target_arrays(index)
        except DataError:
            continue
    return None


def _some(indices: Sequence[int], count: int) -> list[int]:
    return list(indices[:: max(1, -(-len(indices) // count))])
