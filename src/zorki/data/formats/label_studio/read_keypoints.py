"""Label Studio's key points as joints: the label of each is the joint, the region that it belongs to is the object.

Key points whose parent is a rectangle are the joints of an object in that box, of its class; those without a parent
are those of one object an image. Joints stand in the order of their names.
"""

from __future__ import annotations

from pathlib import Path

from zorki.data.annotations.keypoints.skeletons import skeleton_of
from zorki.data.annotations.records import ObjectRecord, Records
from zorki.data.formats.coco.joints import box_of_joints
from zorki.data.formats.label_studio import export_file
from zorki.data.formats.label_studio.export_file import LabelStudioTask, Region
from zorki.data.formats.probe import Probe
from zorki.errors import DataError
from zorki.input_files.numbers import number_in
from zorki.types import Defect

EXPECTED = "Label Studio's export named JSON with keypointlabels, or a folder with such files, one a split"
CLASS_NAME = "object"


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = export_file.find_files(root, "keypointlabels")
    return Probe.no(found) if isinstance(found, str) else Probe.yes(export_file.reason_for(root, found))


def read(root: Path, images: Path | None = None) -> Records:
    """The images with their objects; `images` is for likeness with other formats. Raises DataError."""
    found = export_file.find_files(root, "keypointlabels")
    if isinstance(found, str):
        raise DataError(f"{root}: {found}; expected {EXPECTED}")
    files, others = found
    base = root if root.is_dir() else root.parent
    folders = [*(path.parent / "images" for path in files), *(path.parent for path in files), base]
    records = Records(root, "label_studio", export_file.reason_for(root, found), [], folders)
    records.defects += [Defect(path, "left out: its name tells no split, and others' do") for path in others]
    tasks: list[tuple[LabelStudioTask, str | None]] = [
        (task, split) for path, split in files.items() for task in export_file.read_tasks(path, records.defects)
    ]
    names = sorted(
        {name for task, _ in tasks for one in task.regions if one.kind == "keypoint" for name in one.class_names}
    )
    for task, split in tasks:
        _read_task(task, names, records)
        if split is not None:
            records.given.setdefault(split, []).append(len(records.images))
        records.images.append(task.image)
    classes = {thing.class_name for image in records.images for thing in image.objects}
    records.skeletons = {name: skeleton_of(names) for name in sorted(classes)}
    return records


def _read_task(task: LabelStudioTask, names: list[str], records: Records) -> None:
    boxes = {one.key: one for one in task.regions if one.kind == "rectangle" and one.key is not None}
    groups: dict[str | int | None, dict[str, tuple[float, float, float]]] = {}
    for one in task.regions:
        if one.kind != "keypoint":
            continue
        reason = _fault(one)
        group = groups.setdefault(one.parent if one.parent in boxes else None, {})
        if reason is None and one.class_names[0] in group:
            reason = f"a second {one.class_names[0]!r} of one object"
        if reason is not None or one.size is None:
            records.defects.append(Defect(task.image.source, f"{task.image.name}: {reason}; left out"))
            continue
        height, width = one.size
        group[one.class_names[0]] = (
            number_in(one.value["x"]) * width / 100,
            number_in(one.value["y"]) * height / 100,
            2.0,
        )
    for parent, group in groups.items():
        joints = [group.get(name, (0.0, 0.0, 0.0)) for name in names]
        region = None if parent is None else boxes.get(parent)
        box = box_of_joints(joints) if region is None else _box(region)
        if box is None:
            records.defects.append(Defect(task.image.source, f"{task.image.name}: its joints span no box; left out"))
            continue
        name = region.class_names[0] if region is not None and region.class_names else CLASS_NAME
        task.image.objects.append(ObjectRecord(name, box, joints=joints, boxless=region is None))


def _fault(one: Region) -> str | None:
    """Why a key point is none."""
    if len(one.class_names) != 1:
        return "a key point is of no joint, or of several"
    if one.size is None:
        return f"a key point of {one.class_names[0]!r} does not tell the size of its image"
    if one.image_rotation:
        return f"a key point of {one.class_names[0]!r} was drawn on the image rotated by {one.image_rotation:g} degrees"
    return None


def _box(region: Region) -> tuple[float, float, float, float]:
    height, width = region.size or (0, 0)
    left, top, wide, high = (
        number_in(region.value.get(key)) * side / 100
        for key, side in zip(("x", "y", "width", "height"), (width, height) * 2, strict=True)
    )
    return left, top, left + wide, top + high
