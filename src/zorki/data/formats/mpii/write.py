"""MPII's joints written as JSON: SPLIT.json, a list with an entry for each person, and images/."""

from __future__ import annotations

import json
from typing import Any

from zorki.data.annotations.drafts.instances import Place
from zorki.data.annotations.drafts.keypoints import KeypointDraft
from zorki.data.formats.mpii.read import CLASS_NAME, PIXELS_OF_SCALE, skeleton_of_count
from zorki.errors import DataError
from zorki.files import write_text
from zorki.types import Keypoints

_UNLABELED = [-1.0, -1.0]


def write_keypoints(draft: KeypointDraft) -> Place:
    """Joints from 1 on, as MATLAB counts; the box is the square around its center with its longer side."""
    _check_names(draft)
    for split in draft.members:
        people: list[dict[str, Any]] = []
        for _, name, found, _ in draft.targets(split):
            draft.counts["empty"] += int(len(found) == 0)
            people += [_person(draft, name, found, row) for row in range(len(found))]
        rows = ",\n".join(json.dumps(one, ensure_ascii=False, allow_nan=False) for one in people)
        write_text(draft.folder / f"{split}.json", f"[\n{rows}\n]\n" if people else "[]\n")
    draft.say("empty", "{} images without objects have no entry in mpii's files: not kept")
    draft.say("crowd", "mpii knows no crowd objects: {} are written as ordinary ones")
    draft.say("oblong", "{} boxes are no squares, which mpii's are: each is written as the square around it")
    draft.say(
        "before", "{} labeled joints lie left of the image or above it, where mpii puts those that are not labeled"
    )
    if draft.data.class_names != [CLASS_NAME]:
        draft.lost.append(f"mpii has one class, {CLASS_NAME}: not kept is {', '.join(draft.data.class_names)}")
    draft.lost.append("mpii keeps neither limbs nor OKS sigmas, nor areas and ids")
    return lambda split, name: draft.folder / "images" / name


def _check_names(draft: KeypointDraft) -> None:
    """Files have no names of joints, but by their number. Raises DataError where these would be other joints."""
    names, read = draft.skeleton.names, skeleton_of_count(len(draft.skeleton)).names
    if names == read:
        return
    if read[0] != "joint_1":
        raise DataError(
            f"mpii: {len(names)} joints would be read as {read[0]}, {read[1]}, ..., and the data have {names[0]}, "
            f"{names[1]}, ...; its files name none. Write coco"
        )
    draft.lost.append(f"mpii has no names of joints: {names[0]}, ... are read as {read[0]}, ...")


def _person(draft: KeypointDraft, name: str, found: Keypoints, row: int) -> dict[str, Any]:
    assert found.xyxy is not None
    left, top, right, bottom = found.xyxy[row].double().tolist()
    joints, flags = [], found.visibility[row].tolist()
    for (x, y), flag in zip(found.points[row].tolist(), flags, strict=True):
        draft.counts["before"] += int(flag > 0 and min(x, y) < 0)
        joints.append([round(x + 1, 3), round(y + 1, 3)] if flag else _UNLABELED)
    side = max(right - left, bottom - top)
    draft.counts["oblong"] += int(abs((right - left) - (bottom - top)) > 1e-3)
    return {
        "joints_vis": [int(flag == 2) for flag in flags],
        "joints": joints,
        "image": name,
        "scale": round(side / PIXELS_OF_SCALE, 8),
        "center": [round((left + right) / 2 + 1, 4), round((top + bottom) / 2 + 1, 4)],
    }
