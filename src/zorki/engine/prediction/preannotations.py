"""Predictions as annotations for labeling tools: `zorki predict --to`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zorki.data import formats
from zorki.data.annotations.boxes.build import ReadOptions, build
from zorki.data.annotations.instances.build import build_instances
from zorki.data.annotations.keypoints.build import build_keypoints
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records
from zorki.data.formats.writers import write_boxes, write_instances, write_keypoints
from zorki.engine.prediction.label_studio import to_label_studio
from zorki.errors import RecipeError, did_you_mean
from zorki.files import write_json
from zorki.ops.rle import run_lengths
from zorki.types import Boxes, ClassInfo, Instances, Keypoints, Label, Mask
from zorki.types.arrays import array_of

LABEL_STUDIO = "label_studio"
_WORDS = {"labelstudio": LABEL_STUDIO, "label-studio": LABEL_STUDIO}
_KINDS = {Boxes: "boxes", Instances: "instances", Keypoints: "keypoints"}
_SPLIT = "train"  # of what is still to be labeled


@dataclass(frozen=True)
class AnnotatedImage:
    """An image in a file, and what is on it, in tensors; of a prediction what is worth showing."""

    path: Path
    height: int
    width: int
    annotation: Any


def annotation_format(word: str) -> str:
    """The name of the format. Raises RecipeError where predictions cannot be written so."""
    name = _WORDS.get(word.lower(), word.lower())
    kinds = ("boxes", "instances", "keypoints")
    allowed = sorted({LABEL_STUDIO, *(one for kind in kinds for one in formats.writable(kind))})
    if name not in allowed:
        near, listed = did_you_mean(name, allowed), ", ".join(allowed)
        raise RecipeError(f"--to is {word!r}.{near} Annotations are written as {listed}")
    return name


def write_annotations(images: Sequence[AnnotatedImage], info: ClassInfo, to: str, out: Path) -> tuple[Path, list[str]]:
    """Writes annotations for a labeling tool: what was written, and in words what the format cannot keep.

    Label Studio's tasks hold them as predictions, drafts that a person corrects, in label_studio.json. In every other
    format they are a dataset of their own, in a folder of its name, whose images stay where they are.

    Args:
        to: a format, see `annotation_format`.
        out: the folder in which that is made.

    Raises:
        RecipeError: the format has no place for annotations of this kind.
        DataError: there is no object at all.
    """
    if to == LABEL_STUDIO:
        tasks = [
            to_label_studio(one.annotation, info.names, one.height, one.width, os.path.abspath(one.path))
            for one in images
        ]
        write_json(out / f"{LABEL_STUDIO}.json", tasks)
        return out / f"{LABEL_STUDIO}.json", []
    kinds = {type(one.annotation) for one in images}
    target = out / to
    if kinds <= {Instances} and to in formats.writable("instances"):
        data = build_instances(_records(images, info), ReadOptions(class_names=info.names))
        return target, write_instances(data, target, to, images=None)
    if kinds <= {Boxes, Instances} and to in formats.writable("boxes"):
        options = ReadOptions(class_names=info.names, need_segments=True)
        return target, write_boxes(build(_records(images, info), options), target, to, images=None)
    if kinds <= {Keypoints} and to in formats.writable("keypoints"):
        joints = build_keypoints(_records(images, info), ReadOptions(class_names=info.names))
        return target, write_keypoints(joints, target, to, images=None)
    words = {
        Label: "classes of images", Mask: "classes of pixels", Keypoints: "joints", Boxes: "boxes", Instances: "masks"
    }  # fmt: skip
    what = ", ".join(sorted(words.get(kind, kind.__name__) for kind in kinds))
    kind = next((name for one, name in _KINDS.items() if kinds <= {one}), None)
    able = ", ".join([LABEL_STUDIO, *(formats.writable(kind) if kind else [])])
    raise RecipeError(f"--to {to} has no place for {what}, as zorki writes it; expected --to {able}")


def _records(images: Sequence[AnnotatedImage], info: ClassInfo) -> Records:
    paths = [os.path.abspath(one.path) for one in images]
    root = Path(os.path.commonpath([os.path.dirname(path) for path in paths])) if paths else Path()
    found = [
        ImageRecord(
            os.path.relpath(path, root), root, _objects(one.annotation, info), one.height, one.width, Path(path)
        )
        for path, one in zip(paths, images, strict=True)
    ]
    numbers = info.category_ids or range(1, len(info) + 1)
    ids = dict(zip(info.names, numbers, strict=True))
    given = {_SPLIT: list(range(len(found)))}
    skeletons = {} if info.skeleton is None else dict.fromkeys(info.names, info.skeleton)
    return Records(root, "predictions", "predicted", found, [root], given, list(info.names), ids, skeletons=skeletons)


def _objects(annotation: Any, info: ClassInfo) -> list[ObjectRecord]:
    if isinstance(annotation, Keypoints):
        return _posed(annotation.numpy(), info)
    boxes, labels = array_of(annotation.xyxy).tolist(), array_of(annotation.labels).tolist()
    masks: Any = [None] * len(boxes)
    if isinstance(annotation, Instances):
        masks = [_rle(array_of(mask)) for mask in annotation.masks]
    return [
        ObjectRecord(info.names[label], (box[0], box[1], box[2], box[3]), segments=mask)
        for box, label, mask in zip(boxes, labels, masks, strict=True)
    ]


def _posed(annotation: Any, info: ClassInfo) -> list[ObjectRecord]:
    """Objects with joints, in arrays; of an image that is one object, the box is the one around its joints."""
    points, flags = annotation.points, annotation.visibility
    boxes = np.concatenate([points.min(1), points.max(1)], 1) if annotation.xyxy is None else annotation.xyxy
    labels = np.zeros(len(points), int) if annotation.labels is None else annotation.labels
    joints = [[tuple(joint) for joint in own] for own in np.concatenate([points, flags[..., None]], 2).tolist()]
    return [
        ObjectRecord(info.names[label], tuple(box), joints=own, boxless=annotation.xyxy is None)
        for box, label, own in zip(boxes.tolist(), labels.tolist(), joints, strict=True)
    ]


def _rle(mask: np.ndarray[Any, np.dtype[Any]]) -> dict[str, Any]:
    """COCO's run lengths, column by column, beginning with those outside."""
    return {"counts": run_lengths(mask.T.ravel()), "size": list(mask.shape)}
