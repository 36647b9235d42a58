"""labelme's JSON written: SPLIT/NAME.json beside SPLIT/NAME.jpg, one shape a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from zorki.data.annotations.drafts.boxes import BoxDraft, lost_flags, lost_lists
from zorki.data.annotations.drafts.instances import InstanceDraft, note_flags, note_lists
from zorki.data.annotations.drafts.new_folder import split_folder
from zorki.ops.polygons import outline
from zorki.types import Instances

_VERSION = "5.5.0"  # of labelme, whose files these are like


def write_boxes(draft: BoxDraft) -> Callable[[str, str], Path]:
    """Writes rectangles, whose corners keep four decimals, and gives where an image goes."""
    data = draft.data
    for split, indices in draft.members.items():
        folder = split_folder(draft.folder, split, draft.members)
        for index in indices:
            shapes = []
            for row in range(data.rows(index).start, data.rows(index).stop):
                left, top, right, bottom = (round(value, 4) for value in data.xyxy[row].tolist())
                difficult = data.difficult is not None and bool(data.difficult[row])
                name = data.class_names[int(data.labels[row])]
                shapes.append(_shape(name, [[left, top], [right, bottom]], "rectangle", difficult=difficult))
            _write_file(folder, draft.names[index], data.size(index), shapes)
    lost_flags(draft, ("crowd",), "labelme")
    lost_lists(draft, "labelme", "labelme's boxes have no outlines, which --task instance_segmentation writes")
    return lambda split, name: split_folder(draft.folder, split, draft.members) / name


def write_instances(draft: InstanceDraft) -> Callable[[str, str], Path]:
    """Writes polygons along the edges of pixels, and gives where an image goes.

    The parts and the holes of an object are polygons with one group_id, since labelme has no other word for either:
    our reader takes an inner one for a hole; tools that do not take it for a part, and fill it.
    """
    for split in draft.members:
        folder = split_folder(draft.folder, split, draft.members)
        for _, name, found in draft.targets(split):
            shapes = [shape for row in range(len(found)) for shape in _rings(draft, found, row)]
            height, width = found.masks.shape[1:]
            _write_file(folder, name, (height, width), shapes)
    draft.say("holes", "labelme knows no holes: {} are polygons with the group_id of the one around, holes for "
              "zorki's reader")  # fmt: skip
    note_flags(draft, "labelme", ("crowd",))
    note_lists(draft, "labelme")
    return lambda split, name: split_folder(draft.folder, split, draft.members) / name


def _rings(draft: InstanceDraft, found: Instances, row: int) -> list[dict[str, Any]]:
    """The shapes of one object; those of several have its number, from 1, as their group."""
    parts = outline(found.masks[row])
    rings = list(chain.from_iterable(parts))
    draft.add("holes", len(rings) - len(parts))
    name = draft.data.class_names[int(found.labels[row])]
    difficult = found.difficult is not None and bool(found.difficult[row])
    group = row + 1 if len(rings) > 1 else None
    return [_shape(name, ring.tolist(), "polygon", group, difficult) for ring in rings]


def _shape(
    name: str, points: list[list[float]], kind: str, group: int | None = None, difficult: bool = False
) -> dict[str, Any]:
    shape: dict[str, Any] = {"label": name, "points": points, "group_id": group, "shape_type": kind, "flags": {}}
    return shape | ({"difficult": True} if difficult else {})


def _write_file(folder: Path, name: str, size: tuple[int, int], shapes: Sequence[dict[str, Any]]) -> None:
    """One image's file; a line a shape, so that a message can tell the line."""
    lines = ",\n".join(json.dumps(shape, ensure_ascii=False, allow_nan=False) for shape in shapes)
    head = json.dumps({"version": _VERSION, "flags": {}})
    about = {"imagePath": name, "imageData": None, "imageHeight": size[0], "imageWidth": size[1]}
    tail = json.dumps(about, ensure_ascii=False)
    folder.mkdir(parents=True, exist_ok=True)
    text = f'{head[:-1]}, "shapes": [\n{lines}\n], {tail[1:]}\n'
    (folder / f"{PurePosixPath(name).stem}.json").write_text(text, encoding="utf-8")
