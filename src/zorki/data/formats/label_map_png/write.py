"""Maps of numbers of objects written: SPLIT/images and SPLIT/labels."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from zorki.data.annotations.drafts.instances import InstanceDraft, Place, note_classes, note_flags
from zorki.data.annotations.splits import ORDER
from zorki.errors import DataError
from zorki.types import Instances

_MAX_OBJECTS = 65535  # numbers that 16 bits hold

Array = np.ndarray[Any, np.dtype[Any]]


def write_instances(draft: InstanceDraft) -> Place:
    """SPLIT/images and SPLIT/labels, without SPLIT where it means none."""

    def folder(split: str) -> Path:
        return draft.folder / split if split in ORDER else draft.folder

    for split in draft.members:
        (folder(split) / "labels").mkdir(parents=True)
        for _, name, found in draft.targets(split):
            path = folder(split) / "labels" / f"{PurePosixPath(name).stem}.png"
            if len(found) > _MAX_OBJECTS:
                raise DataError(f"{name}: it has {len(found)} objects, and a map of 16 bits numbers {_MAX_OBJECTS}")
            Image.fromarray(_numbered(draft, found)).save(path)
    draft.say("overlaps", "{} images have objects that overlap, where a map has one number for a pixel: the later on "
              "top")  # fmt: skip
    draft.say("covered", "{} objects lie wholly under others: lost")
    note_flags(draft, "label_map_png")
    note_classes(draft, "label_map_png")
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
