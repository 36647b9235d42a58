"""YOLO's text files of key points written: data.yaml with kpt_shape, images/SPLIT/ and labels/SPLIT/NAME.txt."""

from __future__ import annotations

from pathlib import PurePosixPath

import yaml

from zorki.data.annotations.drafts.boxes import shortest
from zorki.data.annotations.drafts.instances import Place
from zorki.data.annotations.drafts.keypoints import KeypointDraft
from zorki.data.formats.yolo.write import write_settings
from zorki.data.transforms.flip_pairs import mirrored_order
from zorki.types import Keypoints

_DECIMALS = 9  # of shares


def write_keypoints(draft: KeypointDraft) -> Place:
    """A box in shares of the image a line, and x, y and flag of each joint."""
    skeleton = draft.skeleton
    for split in draft.members:
        folder = draft.folder / "labels" / split
        folder.mkdir(parents=True)
        for _, name, found, size in draft.targets(split):
            (folder / f"{PurePosixPath(name).stem}.txt").write_text(_lines(found, size), encoding="utf-8")
    write_settings(draft.folder, list(draft.members), draft.data.class_names, draft.lost)
    bones: dict[str, object] = {"kpt_shape": [len(skeleton), 3], "kpt_names": {0: list(skeleton.names)}}
    if skeleton.flip_pairs is not None:
        bones["flip_idx"] = list(mirrored_order(len(skeleton), skeleton.flip_pairs))
    with open(draft.folder / "data.yaml", "a", encoding="utf-8") as file:
        file.write(yaml.safe_dump(bones, sort_keys=False, allow_unicode=True, default_flow_style=None))
    draft.say("crowd", "yolo knows no crowd objects: {} are written as ordinary ones")
    draft.lost.append("yolo knows neither limbs nor OKS sigmas, and no areas and ids: they are not kept")
    return lambda split, name: draft.folder / "images" / split / name


def _lines(found: Keypoints, size: tuple[int, int]) -> str:
    assert found.xyxy is not None
    height, width = size
    lines = []
    for row in range(len(found)):
        left, top, right, bottom = found.xyxy[row].tolist()
        left, right, top, bottom = max(0.0, left), min(width, right), max(0.0, top), min(height, bottom)
        box = [(left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height]
        words = [str(0 if found.labels is None else int(found.labels[row]))]
        words += [shortest(value, _DECIMALS) for value in box]
        for (x, y), flag in zip(found.points[row].tolist(), found.visibility[row].tolist(), strict=True):
            place = (x / width, y / height) if flag else (0.0, 0.0)
            words += [*(shortest(value, _DECIMALS) for value in place), str(flag)]
        lines.append(" ".join(words) + "\n")
    return "".join(lines)
