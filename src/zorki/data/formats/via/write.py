"""VGG Image Annotator's JSON written: SPLIT/via_region_data.json beside the images, one image a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from zorki.data.annotations.boxes.dataset import BoxDataset
from zorki.data.annotations.drafts.boxes import BoxDraft, lost_flags, lost_lists
from zorki.data.annotations.drafts.instances import InstanceDraft, note_flags, note_lists
from zorki.data.annotations.drafts.new_folder import is_own_file, split_folder
from zorki.ops.polygons import bridged, outline
from zorki.types import Instances

FILE = "via_region_data.json"

Region = dict[str, Any]


def write_boxes(draft: BoxDraft) -> Callable[[str, str], Path]:
    """Writes rectangles, which keep four decimals, and gives where an image goes."""
    data = draft.data
    for split, indices in draft.members.items():
        entries = ((_size(data.path(index)), draft.names[index], _rectangles(data, index)) for index in indices)
        _write_file(split_folder(draft.folder, split, draft.members), entries)
    lost_flags(draft, ("crowd", "difficult"), "via")
    lost_lists(draft, "via", "via's boxes have no outlines, which --task instance_segmentation writes")
    return lambda split, name: split_folder(draft.folder, split, draft.members) / name


def write_instances(draft: InstanceDraft) -> Callable[[str, str], Path]:
    """Writes one polygon an object along the edges of pixels, and gives where an image goes.

    VIA knows neither holes nor several parts: lines without width join them, and fill the same pixels.
    """
    for split in draft.members:
        targets = draft.targets(split)
        entries = ((_size(draft.data.path(index)), name, _polygons(draft, found)) for index, name, found in targets)
        _write_file(split_folder(draft.folder, split, draft.members), entries)
    note_flags(draft, "via")
    note_lists(draft, "via")
    return lambda split, name: split_folder(draft.folder, split, draft.members) / name


def _rectangles(data: BoxDataset, index: int) -> list[Region]:
    regions = []
    for row in range(data.rows(index).start, data.rows(index).stop):
        left, top, right, bottom = data.xyxy[row].tolist()
        sides = zip(("x", "y", "width", "height"), (left, top, right - left, bottom - top), strict=True)
        shape = {"name": "rect", **{side: round(value, 4) for side, value in sides}}
        regions.append(_region(shape, data.class_names[int(data.labels[row])]))
    return regions


def _polygons(draft: InstanceDraft, found: Instances) -> list[Region]:
    regions = []
    for mask, label in zip(found.masks, found.labels.tolist(), strict=True):
        ring = bridged([bridged(part) for part in outline(mask)]).astype(int)  # corners of pixels are whole numbers
        shape = {"name": "polygon", "all_points_x": ring[:, 0].tolist(), "all_points_y": ring[:, 1].tolist()}
        regions.append(_region(shape, draft.data.class_names[label]))
    return regions


def _region(shape: dict[str, Any], name: str) -> Region:
    return {"shape_attributes": shape, "region_attributes": {"class": name}}


def _size(path: Path) -> int:
    """Bytes of the image's file, by which VIA knows it again; -1, its word for unknown, where it is no such file."""
    return path.stat().st_size if is_own_file(path) else -1


def _write_file(folder: Path, entries: Iterable[tuple[int, str, list[Region]]]) -> None:
    """A split's file; entries are the bytes of an image, its name and its regions."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / FILE, "w", encoding="utf-8") as file:
        for number, (size, name, regions) in enumerate(entries):
            entry = {"filename": name, "size": size, "regions": regions, "file_attributes": {}}
            file.write("{\n" if number == 0 else ",\n")
            file.write(f"{json.dumps(f'{name}{size}')}: {json.dumps(entry, ensure_ascii=False, allow_nan=False)}")
        file.write("\n}\n")
