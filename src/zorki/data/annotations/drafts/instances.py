"""Masks of objects written in the formats of others: a whole new folder, or none at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from zorki.contracts import Dataset
from zorki.data.annotations.drafts.boxes import lost_classes, shortest
from zorki.data.annotations.drafts.new_folder import (
    COPIERS,
    file_name_of,
    members_of,
    new_folder,
    place_image,
    refuse_taken,
    unlike_names,
)
from zorki.data.annotations.splits import ORDER, split_name
from zorki.data.formats.coco.write import dump, unique
from zorki.data.formats.yolo.write import write_settings
from zorki.errors import DataError
from zorki.ops.polygons import bridged, outline
from zorki.ops.rle import pack
from zorki.types import Instances

WRITERS = ("coco", "yolo", "labelme", "via", "voc_objects", "label_png", "object_png")
"""Formats that can be written."""

_MOST = 65535  # numbers that 16 bits hold
_DECIMALS = 7  # of shares: enough to fill the same pixels of an image of 100,000 a side

Array = np.ndarray[Any, np.dtype[Any]]
Place = Callable[[str, str], Path]  # split and file name to where the image goes


@dataclass
class InstanceDraft:
    """What a writer works from; `lost` collects in words what the format cannot say, `counts` what it is told of.

    `used` are the labels of the objects so far.
    """

    data: Dataset[Instances]
    folder: Path
    names: list[str]
    members: dict[str, list[int]]
    lost: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)

    def targets(self, split: str) -> Iterator[tuple[int, str, Instances]]:
        """Index, file name and objects of a split's images, one at a time; objects without a pixel are left out."""
        for index in self.members[split]:
            found = self.data.target(index)
            seen = found.masks.flatten(1).any(1)
            self.add("empty", len(found) - int(seen.sum()))
            for flag in ("crowd", "difficult"):
                values = getattr(found, flag)
                self.add(flag, 0 if values is None else int(values.sum()))
            found = found if bool(seen.all()) else found[seen]
            self.used.update(found.labels.tolist())
            yield index, self.names[index], found

    def add(self, what: str, count: int) -> None:
        self.counts[what] = self.counts.get(what, 0) + count

    def say(self, what: str, words: str) -> None:
        """Notes the words where there was any of it; {} is how many."""
        if count := self.counts.get(what, 0):
            self.lost.append(words.format(count))


def write(data: Dataset[Instances], out: Path, to: str, *, images: str | None = "copy") -> list[str]:
    """Writes the data set as `to` into the new folder `out`, and tells in words what that format cannot keep.

    coco: run lengths, which keep every pixel. yolo: one polygon an object, holes and parts joined by lines without
    width, which fill the same pixels; so does via. labelme: a polygon for each part and each hole, in one group.
    voc_objects: maps of 8 bits of objects and of their classes, and label_png: maps of 16 bits, where later objects
    lie on top. object_png: a PNG an object. An image is copied as it is; one that is no file of its own, such as a
    scene, is written as PNG. Every image is written into the first of its splits.

    Args:
        data: any data set of objects with masks.
        to: one of `WRITERS`.
        images: "copy", "link" (symbolic links to the originals), or None for the annotation alone.

    Raises:
        DataError: `out` is there and not empty, `to` is none of the formats, a sample cannot be read, or an image has
            more objects than a map can number.
        ZorkiError: the disk is full, or the folder cannot be written; nothing is left then.
    """
    if to not in WRITERS:
        raise DataError(f"{to!r} is no format that can be written; expected one of {', '.join(WRITERS)}")
    refuse_taken(out)
    with new_folder(out) as aside:
        return _fill(data, aside, to, images)


def _fill(data: Dataset[Instances], folder: Path, to: str, images: str | None) -> list[str]:
    members, outside, twice = members_of(data)
    names = unlike_names([file_name_of(data, index) for index in range(len(data))])
    draft = InstanceDraft(data, folder, names, members)
    if outside:
        draft.lost.append(f"{outside} images are in no split, and {to} has no place for them: left out")
    if twice:
        draft.lost.append(f"{twice} images are in several splits: each was written into the first")
    place = _writers()[to](draft)
    draft.say("empty", "{} objects have no pixel: left out")
    if images is not None:
        jobs = [(index, place(split, draft.names[index])) for split, own in members.items() for index in own]
        for path in {path.parent for _, path in jobs}:
            path.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(COPIERS) as pool:
            list(pool.map(lambda job: place_image(data, job[0], job[1], images), jobs))
    return draft.lost


def _writers() -> dict[str, Callable[[InstanceDraft], Place]]:
    from zorki.data.formats.labelme import write as labelme_writing
    from zorki.data.formats.via import write as via_writing
    from zorki.data.formats.voc import write_instances as voc_objects_writing

    return {
        "coco": _coco,
        "yolo": _yolo,
        "labelme": labelme_writing.write_objects,
        "via": via_writing.write_objects,
        "voc_objects": voc_objects_writing.write,
        "label_png": _label_png,
        "object_png": _object_png,
    }


def _coco(draft: InstanceDraft) -> Place:
    """annotations/instances_SPLIT.json and images/SPLIT."""
    data = draft.data
    own = getattr(data, "image_ids", None)
    image_ids = unique(own) or list(range(1, len(data) + 1))
    if own is not None and unique(own) is None:
        draft.lost.append("ids of images stand twice in the data: they are numbered anew")
    ids = getattr(data, "category_ids", None) or list(range(1, len(data.class_names) + 1))
    categories = [
        {"id": number, "name": name, "supercategory": ""} for name, number in zip(data.class_names, ids, strict=True)
    ]
    (draft.folder / "annotations").mkdir(parents=True)
    for split in draft.members:
        images: list[dict[str, Any]] = []
        rows: list[dict[str, Any]] = []
        for index, name, found in draft.targets(split):
            height, width = found.masks.shape[1:]
            images.append({"id": image_ids[index], "file_name": name, "height": height, "width": width})
            for row in range(len(found)):
                draft.add("written", 1)
                one = {"id": draft.counts["written"], "image_id": image_ids[index]}
                rows.append(one | {"category_id": ids[int(found.labels[row])]} | _entry(found, row))
        path = draft.folder / "annotations" / f"instances_{split}.json"
        dump(path, {"images": images, "annotations": rows, "categories": categories})
    return lambda split, name: draft.folder / "images" / split / name


def _entry(found: Instances, row: int) -> dict[str, Any]:
    """What COCO says of one object's shape; its box is the tight one, its area the data's own where they have one."""
    from hotcoco.mask import area, to_bbox

    pixels = found.masks[row].numpy()
    mask: dict[str, Any] = {"size": list(pixels.shape), "counts": pack(pixels)}
    entry = {
        "bbox": to_bbox(mask).tolist(),
        "area": int(area(mask)) if found.areas is None else round(float(found.areas[row]), 4),
        "iscrowd": int(found.crowd is not None and bool(found.crowd[row])),
        "segmentation": mask | {"counts": mask["counts"].decode()},
    }
    return entry | ({"ignore": 1} if found.difficult is not None and bool(found.difficult[row]) else {})


def _yolo(draft: InstanceDraft) -> Place:
    """data.yaml, images/SPLIT and labels/SPLIT."""
    for split in draft.members:
        folder = draft.folder / "labels" / split
        folder.mkdir(parents=True)
        for _, name, found in draft.targets(split):
            height, width = found.masks.shape[1:]
            lines = []
            for mask, label in zip(found.masks, found.labels.tolist(), strict=True):
                ring = bridged([bridged(part) for part in outline(mask)]) / (width, height)
                lines.append(f"{label} {' '.join(shortest(value, _DECIMALS) for value in ring.ravel().tolist())}\n")
            (folder / f"{PurePosixPath(name).stem}.txt").write_text("".join(lines), encoding="utf-8")
    write_settings(draft.folder, list(draft.members), draft.data.class_names, draft.lost)
    say_flags(draft, "yolo")
    return lambda split, name: draft.folder / "images" / split / name


def _label_png(draft: InstanceDraft) -> Place:
    """SPLIT/images and SPLIT/labels, without SPLIT where it means none."""

    def folder(split: str) -> Path:
        return draft.folder / split if split in ORDER else draft.folder

    for split in draft.members:
        (folder(split) / "labels").mkdir(parents=True)
        for _, name, found in draft.targets(split):
            path = folder(split) / "labels" / f"{PurePosixPath(name).stem}.png"
            if len(found) > _MOST:
                raise DataError(f"{name}: it has {len(found)} objects, and a map of 16 bits numbers {_MOST}")
            Image.fromarray(_numbered(draft, found)).save(path)
    draft.say("overlaps", "{} images have objects that overlap, where a map has one number for a pixel: the later on "
              "top")  # fmt: skip
    draft.say("covered", "{} objects lie wholly under others: lost")
    say_flags(draft, "label_png")
    _say_classes(draft, "label_png")
    return lambda split, name: folder(split) / "images" / name


def _numbered(draft: InstanceDraft, found: Instances) -> Array:
    """(H, W), uint16: the number of the uppermost object, from 1; 0 where there is none."""
    masks = found.masks.numpy()
    numbers = np.zeros(masks.shape[1:], np.uint16)
    overlap = False
    for number, mask in enumerate(masks, 1):
        overlap = overlap or bool(numbers[mask].any())
        numbers[mask] = number
    draft.add("overlaps", int(overlap))
    draft.add("covered", len(found) - int(np.count_nonzero(np.bincount(numbers.ravel())[1:])))
    return numbers


def _object_png(draft: InstanceDraft) -> Place:
    """SPLIT/IMAGE/images and SPLIT/IMAGE/masks, without SPLIT where it means none."""

    def folder(split: str, name: str) -> Path:
        stem = PurePosixPath(name).stem
        stem = f"{stem}_" if split_name(stem) else stem  # readers take it for a split
        return (draft.folder / split if split in ORDER else draft.folder) / stem

    for split in draft.members:
        for _, name, found in draft.targets(split):
            masks = folder(split, name) / "masks"
            masks.mkdir(parents=True)
            for number, mask in enumerate(found.masks.numpy(), 1):
                Image.fromarray(mask.astype(np.uint8) * 255).save(masks / f"{number:05d}.png")
    say_flags(draft, "object_png")
    _say_classes(draft, "object_png")
    return lambda split, name: folder(split, name) / "images" / name


def say_flags(draft: InstanceDraft, format: str, flags: Sequence[str] = ("crowd", "difficult")) -> None:
    """Notes how many objects have flags that the format cannot say."""
    for flag in flags:
        draft.say(flag, f"{format} knows no {flag} objects: {{}} are written as ordinary ones")


def say_ids(draft: InstanceDraft, format: str) -> None:
    """Notes that ids are lost where the data have their own."""
    data = draft.data
    ids = getattr(data, "category_ids", None)
    if getattr(data, "image_ids", None) is not None or ids not in (None, list(range(1, len(data.class_names) + 1))):
        draft.lost.append(f"{format} has no ids of images, objects and classes: they are not kept")


def say_lists(draft: InstanceDraft, format: str) -> None:
    """Notes what is lost of ids and of the list of classes, once all objects are written."""
    say_ids(draft, format)
    draft.lost += lost_classes(draft.data.class_names, draft.used, format, "an object")


def _say_classes(draft: InstanceDraft, format: str) -> None:
    if len(draft.data.class_names) > 1:
        draft.lost.append(f"{format} knows no classes: {len(draft.data.class_names)} are written as one")
