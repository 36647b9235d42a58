"""CVAT's masks written: annotations.xml for images, and images/."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

import numpy as np

from zorki.data.annotations.drafts.instances import InstanceDraft, Place, note_flags, note_ids
from zorki.data.formats.cvat.write_keypoints import add_label, add_subsets
from zorki.ops.rle import run_lengths


def write_instances(draft: InstanceDraft) -> Place:
    """A mask an object, by run lengths, which keep every pixel; a subset is a split."""
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    labels = add_subsets(root, draft.members)
    for name in draft.data.class_names:
        add_label(labels, name, "mask")
    number = 0
    for split in draft.members:
        for _, name, found in draft.targets(split):
            height, width = found.masks.shape[1:]
            values = {"id": str(number), "name": name, "subset": split, "width": str(width), "height": str(height)}
            image = SubElement(root, "image", values)
            number += 1
            for mask, label in zip(found.masks.numpy(), found.labels.tolist(), strict=True):
                marks = {"label": draft.data.class_names[label], "source": "manual", "occluded": "0", "z_order": "0"}
                SubElement(image, "mask", {**marks, **_run_lengths(mask)})
    indent(root)
    ElementTree(root).write(draft.folder / "annotations.xml", encoding="utf-8", xml_declaration=True)
    note_flags(draft, "cvat")
    note_ids(draft, "cvat")
    return lambda split, name: draft.folder / "images" / name


def _run_lengths(mask: np.ndarray[Any, np.dtype[Any]]) -> dict[str, str]:
    """The box around the pixels, and their runs in it, row after row, off and on in turn, beginning with off."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    left, top = int(columns[0]), int(rows[0])
    inside = mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    height, width = inside.shape
    sizes = {"left": left, "top": top, "width": width, "height": height}
    runs = ", ".join(map(str, run_lengths(inside.ravel())))
    return {"rle": runs, **{name: str(value) for name, value in sizes.items()}}
