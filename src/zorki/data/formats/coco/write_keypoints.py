"""COCO's JSON of keypoints written: annotations/person_keypoints_SPLIT.json and images/SPLIT/."""

from __future__ import annotations

from typing import Any

from zorki.contracts.capabilities import NumbersClasses, NumbersImages
from zorki.data.annotations.drafts.instances import Place
from zorki.data.annotations.drafts.keypoints import KeypointDraft
from zorki.data.formats.coco.write import dump, unique
from zorki.types import Keypoints


def write_keypoints(draft: KeypointDraft) -> Place:
    """Joints in thousandths of a pixel; flip pairs, which count from 0, and sigmas stand beside COCO's own keys."""
    data, skeleton = draft.data, draft.skeleton
    own = data.image_ids if isinstance(data, NumbersImages) else None
    image_ids = unique(own) or list(range(1, len(data) + 1))
    ids = data.category_ids if isinstance(data, NumbersClasses) else range(1, len(data.class_names) + 1)
    bones: dict[str, Any] = {
        "keypoints": list(skeleton.names),
        "skeleton": [[first + 1, second + 1] for first, second in skeleton.limbs],
        "sigmas": list(skeleton.sigmas),
    }
    if skeleton.flip_pairs is not None:
        bones["flip_pairs"] = [list(pair) for pair in skeleton.flip_pairs]
    categories = [
        {"id": number, "name": name, "supercategory": ""} | bones
        for name, number in zip(data.class_names, ids, strict=True)
    ]
    (draft.folder / "annotations").mkdir(parents=True)
    written = 0
    for split in draft.members:
        images: list[dict[str, Any]] = []
        rows: list[dict[str, Any]] = []
        for index, name, found, (height, width) in draft.targets(split):
            images.append({"id": image_ids[index], "file_name": name, "height": height, "width": width})
            for row in range(len(found)):
                written += 1
                label = 0 if found.labels is None else int(found.labels[row])
                head = {"id": written, "image_id": image_ids[index], "category_id": ids[label]}
                rows.append(head | _entry(found, row))
        path = draft.folder / "annotations" / f"person_keypoints_{split}.json"
        dump(path, {"images": images, "annotations": rows, "categories": categories})
    return lambda split, name: draft.folder / "images" / split / name


def _entry(found: Keypoints, row: int) -> dict[str, Any]:
    assert found.xyxy is not None
    left, top, right, bottom = found.xyxy[row].tolist()
    flags = found.visibility[row].tolist()
    joints = [
        value
        for (x, y), flag in zip(found.points[row].tolist(), flags, strict=True)
        for value in ((round(x, 3), round(y, 3), flag) if flag else (0, 0, 0))
    ]
    area = (right - left) * (bottom - top) if found.areas is None else float(found.areas[row])
    return {
        "keypoints": joints,
        "num_keypoints": sum(flag > 0 for flag in flags),
        "bbox": [round(value, 4) for value in (left, top, right - left, bottom - top)],
        "area": round(area, 4),
        "iscrowd": int(found.crowd is not None and bool(found.crowd[row])),
    }
