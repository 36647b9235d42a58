"""COCO's JSON written: annotations/instances_SPLIT.json, one image and one annotation a line, and images/SPLIT/."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from zorki.contracts.capabilities import NumbersClasses, NumbersImages
from zorki.data.annotations.drafts.boxes import BoxDraft
from zorki.data.annotations.drafts.instances import InstanceDraft, Place
from zorki.data.annotations.outlines import pack_outline, usable_polygons
from zorki.ops.rle import pack
from zorki.types import Instances


def write_boxes(draft: BoxDraft) -> Callable[[str, str], Path]:
    """Writes the annotation, and gives where the image of a split and a name goes.

    The data's own ids are kept where they have any and none stands twice; those of boxes only where all are 1 or more,
    since pycocotools takes what finds the box 0 for a miss. Difficult boxes are marked `ignore`.
    """
    data = draft.data
    image_ids = unique(data.image_ids) or list(range(1, len(data) + 1))
    own = None if data.annotation_ids is None else data.annotation_ids.tolist()
    for what, ids in (("images", data.image_ids), ("boxes", own)):
        if ids is not None and unique(ids) is None:
            draft.lost.append(f"ids of {what} stand twice in the data: they are numbered anew")
    annotation_ids = unique(own)
    if annotation_ids and min(annotation_ids) < 1:
        reason = "pycocotools counts what finds box 0 as a miss"
        draft.lost.append(f"ids of boxes begin with {min(annotation_ids)}, and {reason}: they are numbered anew from 1")
        annotation_ids = None
    annotation_ids = annotation_ids or list(range(1, len(data.xyxy) + 1))
    categories = [
        {"id": number, "name": name, "supercategory": ""}
        for name, number in zip(data.class_names, data.category_ids, strict=True)
    ]
    folder = draft.folder / "annotations"
    folder.mkdir(parents=True)
    broken: list[int] = []
    for split, indices in draft.members.items():
        images = (_image(draft, index, image_ids[index]) for index in indices)
        rows = (
            row for index in indices for row in _annotations(draft, index, image_ids[index], annotation_ids, broken)
        )
        dump(folder / f"instances_{split}.json", {"images": images, "annotations": rows, "categories": categories})
    if broken:
        which = f"{len(broken)} boxes, {broken[0]} first,"
        draft.lost.append(f"{which} have outlines of less than three points or broken ones, which are left out")
    return lambda split, name: draft.folder / "images" / split / name


def unique(ids: Sequence[int] | None) -> list[int] | None:
    """The ids where there are any and none stands twice; else None."""
    return list(ids) if ids is not None and len(set(ids)) == len(ids) else None


def _image(draft: BoxDraft, index: int, number: int) -> dict[str, Any]:
    height, width = draft.data.size(index)
    return {"id": number, "file_name": draft.names[index], "height": height, "width": width}


def _annotations(
    draft: BoxDraft, index: int, image: int, numbers: Sequence[int], broken: list[int]
) -> Iterable[dict[str, Any]]:
    """The boxes of an image; `broken` takes the numbers of those with outlines that COCO's tools cannot read."""
    data, rows = draft.data, draft.data.rows(index)
    for row in range(rows.start, rows.stop):
        left, top, right, bottom = data.xyxy[row].tolist()
        outline, left_out = ([], 0) if data.segments is None else _outline(data.segments[row])
        if left_out:
            broken.append(numbers[row])
        one: dict[str, Any] = {
            "id": numbers[row],
            "image_id": image,
            "category_id": data.category_ids[int(data.labels[row])],
            "bbox": [round(value, 4) for value in (left, top, right - left, bottom - top)],
            "area": round(_area(draft, index, row, outline), 4),
            "iscrowd": int(data.crowd is not None and data.crowd[row]),
            "segmentation": outline,
        }
        if data.difficult is not None and data.difficult[row]:
            one["ignore"] = 1
        yield one


def _area(draft: BoxDraft, index: int, row: int, outline: Any) -> float:
    """Square pixels: what the data state, else the outline's, as COCO counts them, else the box's."""
    from hotcoco.mask import area

    data, size = draft.data, draft.data.size(index)
    if data.areas is not None:
        return float(data.areas[row])
    code = pack_outline(outline, *size)[0] if outline else None
    if code is not None:
        return float(area({"size": list(size), "counts": code}))
    left, top, right, bottom = data.xyxy[row].tolist()
    return float((right - left) * (bottom - top))


def _outline(segments: Any) -> tuple[Any, int]:
    """An outline in words that COCO's tools can read, and how many polygons of it are left out."""
    return usable_polygons(segments) if isinstance(segments, list) and segments else (segments or [], 0)


def dump(path: Path, lists: dict[str, Iterable[dict[str, Any]]]) -> None:
    """JSON with an element a line, so that a message can tell the line of an annotation."""
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"info": {"description": "written by zorki"}, "licenses": []')
        for name, elements in lists.items():
            file.write(f',\n"{name}": [')
            for number, element in enumerate(elements):
                file.write((",\n" if number else "\n") + json.dumps(element, ensure_ascii=False, allow_nan=False))
            file.write("\n]")
        file.write("}\n")


def write_instances(draft: InstanceDraft) -> Place:
    """annotations/instances_SPLIT.json and images/SPLIT."""
    data = draft.data
    own = data.image_ids if isinstance(data, NumbersImages) else None
    image_ids = unique(own) or list(range(1, len(data) + 1))
    if own is not None and unique(own) is None:
        draft.lost.append("ids of images stand twice in the data: they are numbered anew")
    ids = data.category_ids if isinstance(data, NumbersClasses) else range(1, len(data.class_names) + 1)
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
