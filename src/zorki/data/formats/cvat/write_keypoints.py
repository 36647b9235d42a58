"""CVAT's skeletons written: annotations.xml for images, and images/.

A task that is to take them has a skeleton label for each class, with these joints (https://docs.cvat.ai).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from zorki.data.annotations.drafts.boxes import shortest
from zorki.data.annotations.drafts.instances import Place
from zorki.data.annotations.drafts.keypoints import KeypointDraft
from zorki.data.formats.coco.joints import box_of_joints
from zorki.types import Keypoints


def write_keypoints(draft: KeypointDraft) -> Place:
    """A skeleton an object: joints that are not labeled are outside, hidden ones occluded; a subset is a split."""
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    _project(root, draft)
    number = 0
    for split in draft.members:
        for _, name, found, (height, width) in draft.targets(split):
            values = {"id": str(number), "name": name, "subset": split, "width": str(width), "height": str(height)}
            image = SubElement(root, "image", values)
            number += 1
            for row in range(len(found)):
                _skeleton(image, draft, found, row)
    indent(root)
    ElementTree(root).write(draft.folder / "annotations.xml", encoding="utf-8", xml_declaration=True)
    draft.say("crowd", "cvat knows no crowd objects: {} are written as ordinary ones")
    draft.say("spans_nothing", "{} objects have joints that span no box, which CVAT's readers leave out")
    draft.lost.append(
        "cvat's skeletons have no boxes: readers take the box around the joints, or the image of one object"
    )
    draft.lost.append(
        "cvat keeps neither limbs nor OKS sigmas, flip pairs that do not follow from names, areas and ids"
    )
    return lambda split, name: draft.folder / "images" / name


def add_subsets(root: Element, members: Mapping[str, Sequence[int]]) -> Element:
    """Writes which splits there are, and gives where the labels go."""
    # A project, since only its images have subsets: Datumaro 1.13 reads none of a task's, or a job's, that have one.
    project = SubElement(SubElement(root, "meta"), "project")
    SubElement(project, "subsets").text = "\n".join(members)
    tasks = SubElement(project, "tasks")
    for split, names in members.items():
        task = SubElement(tasks, "task")
        SubElement(task, "name").text = SubElement(task, "subset").text = split
        SubElement(task, "size").text = str(len(names))
    return SubElement(project, "labels")


def _project(root: Element, draft: KeypointDraft) -> None:
    labels = add_subsets(root, draft.members)
    for class_name in draft.data.class_names:
        add_label(labels, class_name, "skeleton")
        for joint in draft.skeleton.names:
            SubElement(add_label(labels, joint, "points"), "parent").text = class_name


def add_label(labels: Element, name: str, kind: str) -> Element:
    """A class of objects, or a joint."""
    label = SubElement(labels, "label")
    SubElement(label, "name").text = name
    SubElement(label, "type").text = kind
    return label


def _skeleton(image: Element, draft: KeypointDraft, found: Keypoints, row: int) -> None:
    shape = SubElement(image, "skeleton", {"label": draft.class_name(found, row), "source": "manual", "z_order": "0"})
    joints = []
    for name, (x, y), flag in zip(
        draft.skeleton.names, found.points[row].tolist(), found.visibility[row].tolist(), strict=True
    ):
        joints.append((x, y, flag))
        marks = {"outside": str(int(flag == 0)), "occluded": str(int(flag == 1))}
        place = f"{shortest(x, 3)},{shortest(y, 3)}" if flag else "0,0"
        SubElement(shape, "points", {"label": name, **marks, "points": place})
    draft.counts["spans_nothing"] += int(box_of_joints(joints) is None)
