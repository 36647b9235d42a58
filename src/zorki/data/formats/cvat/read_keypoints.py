"""CVAT's skeletons and points: <skeleton label="person"><points label="nose" outside="0" occluded="0" points="1,2"/>...

A skeleton is an object with named joints; what is `outside` is not labeled, what is `occluded` is hidden. <points> that
stand by themselves are an object whose joints have no names, as many in every object.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element

from zorki.data.annotations.keypoints.skeletons import skeleton_of, unnamed_skeleton
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records
from zorki.data.annotations.split_words import split_in
from zorki.data.formats.coco.joints import box_of_joints
from zorki.data.formats.cvat.read import find_file
from zorki.data.formats.probe import Probe
from zorki.errors import DataError
from zorki.input_files.numbers import number_of, whole_number_of
from zorki.input_files.xml_files import element_lines, read_xml, text_of
from zorki.types import Defect

EXPECTED = "CVAT's XML for images with <skeleton> or <points>, or a folder with it"

Joint = tuple[float, float, float]
_NOT_LABELED: Joint = (0.0, 0.0, 0.0)


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = find_file(root)
    if isinstance(found, str):
        return Probe.no(found)
    if not _has_joints(found):
        return Probe.no(f"{found.name} holds neither <skeleton> nor <points>")
    return Probe.yes(f"it holds CVAT's XML for images with joints: {found.name}")


def read(root: Path, images: Path | None = None) -> Records:
    """What the file says, as it says it; `images` is for likeness with other formats.

    Raises:
        DataError: there is no such file or folder, the XML is broken, or points of a label differ in number.
    """
    path = find_file(root)
    if isinstance(path, str):
        raise DataError(f"{root}: {path}; expected {EXPECTED}")
    tree, data = read_xml(path)
    reason = f"it holds CVAT's XML for images with joints: {path.name}"
    records = Records(root, "cvat", reason, [], [path.parent / "images", path.parent / "data", path.parent])
    names = _joint_names(tree)
    lines = iter(element_lines(data, "skeleton", "points"))
    for image in tree.findall("image"):
        record = ImageRecord((image.get("name") or "").strip(), path)
        record.height, record.width = whole_number_of(image.get("height")), whole_number_of(image.get("width"))
        _read_image(image, record, names, lines, records)
        if (split := split_in(image.get("subset") or "")) is not None:
            records.given.setdefault("train" if split == "trainval" else split, []).append(len(records.images))
        records.images.append(record)
    records.skeletons = {label: skeleton_of(joints) for label, joints in names.items()}
    _unnamed(records, path)
    return records


def _has_joints(path: Path) -> bool:
    try:
        tree, _ = read_xml(path)
    except DataError:
        return False
    return tree.find("image/skeleton") is not None or tree.find("image/points") is not None


def _joint_names(tree: Element) -> dict[str, list[str]]:
    """The joints of each skeleton: as the labels list them, and then as they are met."""
    names: dict[str, list[str]] = {}
    for label in [*tree.iterfind("meta/*/labels/label"), *tree.iterfind("meta/labels/label")]:
        if parent := text_of(label, "parent"):
            names.setdefault(parent, []).append(text_of(label, "name") or "")
    for shape in tree.iterfind("image/skeleton"):
        own = names.setdefault((shape.get("label") or "").strip(), [])
        met = [(point.get("label") or "").strip() for point in shape.findall("points")]
        own += [name for name in dict.fromkeys(met) if name not in own]
    return names


def _read_image(
    image: Element, record: ImageRecord, names: dict[str, list[str]], lines: object, records: Records
) -> None:
    for shape in image:
        if shape.tag not in ("skeleton", "points"):
            continue
        line = next(lines, None)  # type: ignore[call-overload]
        label = (shape.get("label") or "").strip()
        if shape.tag == "skeleton":
            for _ in shape.findall("points"):
                next(lines, None)  # type: ignore[call-overload]
            joints = _of_skeleton(shape, names[label])
        else:
            joints = _points(shape, 2.0)
        box = box_of_joints(joints)
        if not label or box is None:
            what = "has no label" if not label else f"of {label!r} spans no box"
            records.defects.append(Defect(record.source, f"{record.name}: a {shape.tag} {what}; left out", line))
            continue
        record.objects.append(ObjectRecord(label, box, line=line, joints=joints, boxless=True))


def _of_skeleton(shape: Element, names: list[str]) -> list[Joint]:
    found: dict[str, Joint] = {}
    for point in shape.findall("points"):
        flag = 0.0 if point.get("outside") == "1" else 1.0 if point.get("occluded") == "1" else 2.0
        places = _points(point, flag)
        found[(point.get("label") or "").strip()] = places[0] if places and flag else _NOT_LABELED
    return [found.get(name, _NOT_LABELED) for name in names]


def _points(shape: Element, flag: float) -> list[Joint]:
    values = [number_of(value) for value in re.split(r"[;,]", shape.get("points") or "") if value]
    return [(x, y, flag) for x, y in zip(values[0::2], values[1::2], strict=False)]


def _unnamed(records: Records, path: Path) -> None:
    """Skeletons of labels whose joints have no names. Raises DataError where their numbers differ."""
    for image in records.images:
        for thing in image.objects:
            if thing.class_name in records.skeletons:
                continue
            counts = {
                len(other.joints or ())
                for one in records.images
                for other in one.objects
                if other.class_name == thing.class_name
            }
            if len(counts) > 1:
                raise DataError(
                    f"{path}: <points> of {thing.class_name!r} hold {min(counts)} to {max(counts)} points; expected as "
                    "many in every object, or draw skeletons"
                )
            records.skeletons[thing.class_name] = unnamed_skeleton(counts.pop())
