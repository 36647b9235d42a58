"""A PNG for each object written: SPLIT/IMAGE/images and SPLIT/IMAGE/masks."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from zorki.data.annotations.drafts.instances import InstanceDraft, Place, note_classes, note_flags
from zorki.data.annotations.splits import ORDER, split_name


def write_instances(draft: InstanceDraft) -> Place:
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
    note_flags(draft, "instance_png")
    note_classes(draft, "instance_png")
    return lambda split, name: folder(split, name) / "images" / name
