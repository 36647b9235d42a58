"""CVAT's boxes written: annotations.xml for images, and images/."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from zorki.data.annotations.drafts.boxes import BoxDraft, lost_flags, lost_lists, shortest
from zorki.data.formats.cvat.write_keypoints import add_label, add_subsets


def write_boxes(draft: BoxDraft) -> Callable[[str, str], Path]:
    """A rectangle a box; a subset is a split."""
    data, root = draft.data, Element("annotations")
    SubElement(root, "version").text = "1.1"
    labels = add_subsets(root, draft.members)
    for name in data.class_names:
        add_label(labels, name, "rectangle")
    number = 0
    for split, indices in draft.members.items():
        for index in indices:
            height, width = data.size(index)
            values = {"id": str(number), "name": draft.names[index], "subset": split}
            image = SubElement(root, "image", {**values, "width": str(width), "height": str(height)})
            number += 1
            rows = data.rows(index)
            for box, label in zip(data.xyxy[rows].tolist(), data.labels[rows].tolist(), strict=True):
                sides = zip(("xtl", "ytl", "xbr", "ybr"), box, strict=True)
                marks = {"label": data.class_names[label], "source": "manual", "occluded": "0", "z_order": "0"}
                SubElement(image, "box", {**marks, **{side: shortest(value) for side, value in sides}})
    indent(root)
    ElementTree(root).write(draft.folder / "annotations.xml", encoding="utf-8", xml_declaration=True)
    lost_flags(draft, ("crowd", "difficult"), "cvat")
    lost_lists(draft, "cvat", "cvat's rectangles have no outlines")
    return lambda split, name: draft.folder / "images" / name
