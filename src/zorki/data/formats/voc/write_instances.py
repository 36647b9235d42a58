"""Pascal VOC's masks of objects written: JPEGImages, SegmentationObject, SegmentationClass, and lists of images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import torch
from jaxtyping import Int64
from torch import Tensor

from zorki.data.annotations.drafts.instances import InstanceDraft, note_ids
from zorki.data.annotations.image_lists import write_lists
from zorki.data.annotations.masks.class_names import is_void
from zorki.data.annotations.masks.dataset import IGNORE
from zorki.data.annotations.masks.from_instances import BACKGROUND
from zorki.data.annotations.masks.stored import write_mask
from zorki.errors import DataError
from zorki.files import write_text
from zorki.types import Instances

_MAX_OBJECTS = 254  # numbers of objects, and of classes, that 8 bits hold beside 0 and 255


def write_instances(draft: InstanceDraft) -> Callable[[str, str], Path]:
    """Writes both maps of every image, the lists and classes.txt, and gives where an image goes.

    Later objects lie on top. Crowds and difficult objects are 255, which is ignored, as VOC has its own.

    Raises:
        DataError: an image has more than 254 objects, there are more than 254 classes, or one of them is called as
            what lies around objects.
    """
    names = draft.data.class_names
    if len(names) > _MAX_OBJECTS:
        raise DataError(f"{draft.data.root}: {len(names)} classes, and voc tells {_MAX_OBJECTS} apart")
    if wrong := [name for name in names if name.strip("_").lower() == BACKGROUND]:
        raise DataError(f"{draft.data.root}: a class is called {wrong[0]!r}, which voc has around all objects")
    for split in draft.members:
        for _, name, found in draft.targets(split):
            if len(found) > _MAX_OBJECTS:
                raise DataError(f"{name}: it has {len(found)} objects, and voc numbers {_MAX_OBJECTS}")
            numbers, classes = _painted(draft, found)
            file = f"{PurePosixPath(name).stem}.png"
            write_mask(draft.folder / "SegmentationObject" / file, numbers)
            write_mask(draft.folder / "SegmentationClass" / file, classes)
    write_lists(draft.folder / "ImageSets" / "Segmentation", draft.members, draft.names)
    lines = "".join(f"{' '.join(name.split())}\n" for name in [BACKGROUND, *names])
    write_text(draft.folder / "classes.txt", lines)
    if void := [name for name in names if is_void(name)]:
        draft.lost.append(f"a class called {void[0]!r} is read back as what is ignored")
    draft.say("overlaps", "{} images have objects that overlap, where a map has one number for a pixel: the later on "
              "top")  # fmt: skip
    draft.say("covered", "{} objects lie wholly under others: lost")
    for flag in ("crowd", "difficult"):
        draft.say(flag, f"voc knows no {flag} objects: the pixels of {{}} are 255, which is ignored")
    note_ids(draft, "voc")
    return lambda split, name: draft.folder / "JPEGImages" / name


def _painted(draft: InstanceDraft, found: Instances) -> tuple[Int64[Tensor, "H W"], Int64[Tensor, "H W"]]:
    """The number of the uppermost object, from 1, and its class, from 1: 0 where there is none."""
    none = torch.zeros(len(found), dtype=torch.bool)
    ignored = (none if found.crowd is None else found.crowd) | (none if found.difficult is None else found.difficult)
    numbers = torch.zeros(found.masks.shape[1:], dtype=torch.int64)
    classes = torch.zeros_like(numbers)
    for row in ignored.nonzero()[:, 0].tolist():
        numbers[found.masks[row]] = classes[found.masks[row]] = IGNORE
    overlap = False
    counted = (~ignored).nonzero()[:, 0].tolist()
    for number, row in enumerate(counted, 1):
        mask = found.masks[row]
        below = numbers[mask]
        overlap = overlap or bool(((below > 0) & (below != IGNORE)).any())
        numbers[mask], classes[mask] = number, int(found.labels[row]) + 1
    draft.add("overlaps", int(overlap))
    draft.add("covered", len(counted) - len(set(numbers.unique().tolist()) - {0, IGNORE}))
    return numbers, classes
