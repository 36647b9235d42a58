"""MPII's joints as JSON, as pose libraries have converted them: a list with an entry for each person.

    [{"image": "1.jpg", "joints": [[804, 711], ...], "joints_vis": [1, ...], "center": [966, 340], "scale": 4.7}, ...]

There are 16 joints, in MPII's order, counted from 1 as MATLAB does. A person's box is the square of 200 * scale pixels
around the center (Andriluka et al., 2014). A joint with negative coordinates is not labeled; one with 0 in `joints_vis`
is hidden.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zorki.data.annotations.keypoints.skeletons import MPII_NAMES, skeleton_of, unnamed_skeleton
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records
from zorki.data.formats.coco.joints import box_of_joints
from zorki.data.formats.probe import Probe
from zorki.data.formats.split_files import SplitFiles, find_split_files, image_folders, read_split_files
from zorki.errors import DataError
from zorki.input_files.json_files import ends, has_key, read_json
from zorki.input_files.numbers import number_in
from zorki.types import Defect, Skeleton

EXPECTED = "MPII's JSON: a list with image, joints and joints_vis of each person, or a folder with one a split"
CLASS_NAME = "person"
PIXELS_OF_SCALE = 200.0  # of a person of scale 1


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = _find(root)
    return Probe.no(found) if isinstance(found, str) else Probe.yes(_reason(found))


def read(root: Path, images: Path | None = None) -> Records:
    """What the files say, as they say it; `images` is for likeness with other formats. Raises DataError."""
    found = _find(root)
    if isinstance(found, str):
        raise DataError(f"{root}: {found}; expected {EXPECTED}")
    records = Records(root, "mpii", _reason(found), [], image_folders(root, found), class_names=[CLASS_NAME])
    return read_split_files(records, found, _read_file, beside=True)


def _reason(found: SplitFiles) -> str:
    return f"it holds MPII's JSON of joints: {', '.join(path.name for path in found[0])}"


def _find(root: Path) -> SplitFiles | str:
    return find_split_files(
        root,
        _is_mpii,
        other="it is a file, and not MPII's JSON with joints_vis",
        nothing="no JSON file in it, or in a folder of it, is a list with joints and joints_vis",
    )


def _is_mpii(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    data = ends(path)
    return data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[") and has_key(data, ("joints_vis",), "[")


def _read_file(path: Path, records: Records) -> None:
    rows = read_json(path)
    if not isinstance(rows, list):
        raise DataError(f"{path}: expected a list of people in MPII's JSON")
    images: dict[str, ImageRecord] = {}
    for number, row in enumerate(rows):
        name = str(row.get("image") or "") if isinstance(row, dict) else ""
        thing = _person(row) if name else "names no image"
        if isinstance(thing, str):
            records.defects.append(Defect(path, f"person {number + 1} of the list {thing}; left out"))
            continue
        if name not in images:
            images[name] = ImageRecord(name, path)
            records.images.append(images[name])
        images[name].objects.append(thing)
        _skeleton(path, records, len(thing.joints or ()))


def skeleton_of_count(count: int) -> Skeleton:
    """Of so many joints, which the files do not name: 16 are MPII's."""
    return skeleton_of(MPII_NAMES) if count == len(MPII_NAMES) else unnamed_skeleton(count)


def _skeleton(path: Path, records: Records, count: int) -> None:
    skeleton = skeleton_of_count(count)
    if len(records.skeletons.setdefault(CLASS_NAME, skeleton)) != count:
        before = len(records.skeletons[CLASS_NAME])
        raise DataError(f"{path}: a person has {count} joints, and others before {before}; expected as many in all")


def _person(row: dict[str, Any]) -> ObjectRecord | str:
    """The object of an entry, or what is wrong with it."""
    places, seen = row.get("joints"), row.get("joints_vis")
    if not isinstance(places, list) or not all(isinstance(one, list) and len(one) == 2 for one in places):
        return "has no joints of two numbers each"
    flags = (
        [number_in(one) for one in seen] if isinstance(seen, list) and len(seen) == len(places) else [1] * len(places)
    )
    joints = [_joint(number_in(x), number_in(y), flag) for (x, y), flag in zip(places, flags, strict=True)]
    center, scale = row.get("center"), number_in(row.get("scale"))
    if isinstance(center, list) and len(center) == 2 and scale > 0:
        x, y, half = number_in(center[0]) - 1, number_in(center[1]) - 1, scale * PIXELS_OF_SCALE / 2
        return ObjectRecord(CLASS_NAME, (x - half, y - half, x + half, y + half), joints=joints)
    box = box_of_joints(joints)
    return "has joints that span no box" if box is None else ObjectRecord(CLASS_NAME, box, joints=joints, boxless=True)


def _joint(x: float, y: float, seen: float) -> tuple[float, float, float]:
    if not (x >= 1 and y >= 1):
        return 0.0, 0.0, 0.0
    return x - 1, y - 1, 2.0 if seen > 0 else 1.0
