"""Joints in tables, a row for each image with one object: its name, then x, y of each joint in pixels of the image.

    ,0,1,2,3,...        or        filename,nose_x,nose_y,left_eye_x,left_eye_y,...
    a.jpg,45,98,47,106

The image is the first column, or the one that is called so. A joint whose cells are empty or negative is not labeled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from zorki.data.annotations.keypoints.skeletons import skeleton_of, unnamed_skeleton
from zorki.data.annotations.listing import is_image, loose_files
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records
from zorki.data.annotations.split_words import by_split, split_in
from zorki.data.formats.coco.joints import box_of_joints
from zorki.data.formats.probe import Probe
from zorki.errors import DataError
from zorki.input_files.csv_files import cells_of, csv_rows, first_lines
from zorki.input_files.numbers import number_of
from zorki.types import Defect, Skeleton

EXPECTED = "a CSV file with a row for each image: its name, and x and y of each joint; or a folder with one a split"
CLASS_NAME = "object"

_SUFFIXES = frozenset({".csv", ".tsv"})
_IMAGE = ("", "filename", "file_name", "image", "image_name", "image_path", "path", "file")
_NAMED = re.compile(r"^(.+?)[ _.\-]?([xy])$", re.IGNORECASE)
_LEAST_COLUMNS = 4  # two joints


@dataclass(frozen=True)
class _Layout:
    """Where things stand in a table: the image, and x and y of each joint."""

    delimiter: str
    image: int
    joints: tuple[tuple[int, int], ...]
    skeleton: Skeleton
    named: bool


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = _find(root)
    return Probe.no(found) if isinstance(found, str) else Probe.yes(_reason(found[0]))


def read(root: Path, images: Path | None = None) -> Records:
    """What the tables say, as they say it; `images` is for likeness with other formats.

    Raises:
        DataError: there is no such file or folder, or the tables have different joints.
    """
    found = _find(root)
    if isinstance(found, str):
        raise DataError(f"{root}: {found}; expected {EXPECTED}")
    tables, others = found
    layouts = {path: layout for path, (layout, _) in tables.items()}
    first = next(iter(layouts.values()))
    for path, layout in layouts.items():
        if layout.skeleton.names != first.skeleton.names:
            raise DataError(
                f"{path}: has {len(layout.joints)} joints, and {next(iter(layouts)).name} {len(first.joints)} others; "
                "read tables of one skeleton"
            )
    base = root if root.is_dir() else root.parent
    folders = [folder / word for folder in (base, base.parent) for word in ("images", "")]
    records = Records(root, "csv", _reason(tables), [], folders, class_names=[CLASS_NAME])
    records.skeletons = {CLASS_NAME: first.skeleton}
    records.defects += [Defect(path, "left out: its name tells no split, and others' do") for path in others]
    if not first.named and first.skeleton == unnamed_skeleton(len(first.joints)) and first.skeleton.limbs:
        reason = f"{len(first.joints)} joints without names were taken for those of 300-W, in their order"
        records.defects.append(Defect(root, reason, note=True))
    for path, (layout, split) in tables.items():
        _read_table(path, layout, split, records)
    return records


def _reason(tables: dict[Path, tuple[_Layout, str | None]]) -> str:
    count = len(next(iter(tables.values()))[0].joints)
    return f"it holds tables with x and y of {count} joints an image: {', '.join(path.name for path in tables)}"


def _find(root: Path) -> tuple[dict[Path, tuple[_Layout, str | None]], list[Path]] | str:
    """The tables with their splits, and those that are passed over; or why there are none."""
    if root.is_file():
        layout = _layout(root) if root.suffix.lower() in _SUFFIXES else None
        return ({root: (layout, split_in(root.stem))}, []) if layout else "it is a file, and no table of joints"
    if not root.is_dir():
        return "it is neither a file nor a folder"
    paths = [root / name for name in loose_files(root) if Path(name).suffix.lower() in _SUFFIXES]
    layouts = {path: layout for path in paths if (layout := _layout(path)) is not None}
    if not layouts:
        return "no table in it has a column of images and two for each joint"
    chosen, others, wrong = by_split({path: split_in(path.stem) for path in layouts})
    return wrong or ({path: (layouts[path], split) for path, split in chosen.items()}, others)


def _layout(path: Path) -> _Layout | None:
    """The columns of a table; None where it is none of joints."""
    try:
        lines = first_lines(path, 2)
    except DataError:
        return None
    delimiter = max(",;\t|", key="".join(lines[:1]).count)
    rows = list(cells_of(lines, delimiter))
    if len(rows) < 2 or len(rows[0]) <= _LEAST_COLUMNS:
        return None
    words = [cell.strip() for cell in rows[0]]
    image = next((place for place, word in enumerate(words) if word.lower() in _IMAGE), None)
    if image is None or image >= len(rows[1]) or not is_image(rows[1][image].strip()):
        return None
    rest = [place for place in range(len(words)) if place != image]
    if all(words[place].isdigit() for place in rest) and len(rest) % 2 == 0:
        pairs = tuple(zip(rest[0::2], rest[1::2], strict=True))
        return _Layout(delimiter, image, pairs, unnamed_skeleton(len(pairs)), False)
    return _named_layout(delimiter, image, words, rest)


def _named_layout(delimiter: str, image: int, words: Sequence[str], rest: Sequence[int]) -> _Layout | None:
    """Columns nose_x and nose_y, or x0 and y0; None where any joint has but one of both."""
    places: dict[str, dict[str, int]] = {}
    for place in rest:
        axis_first = re.match(r"^([xy])_?(\d+)$", words[place], re.IGNORECASE)
        match = _NAMED.match(words[place])
        if axis_first is not None:
            places.setdefault(axis_first[2], {})[axis_first[1].lower()] = place
        elif match is not None:
            places.setdefault(match[1], {})[match[2].lower()] = place
    if len(places) < 2 or any(set(one) != {"x", "y"} for one in places.values()):
        return None
    pairs = tuple((one["x"], one["y"]) for one in places.values())
    named = not all(name.isdigit() for name in places)
    skeleton = skeleton_of(list(places)) if named else unnamed_skeleton(len(pairs))
    return _Layout(delimiter, image, pairs, skeleton, named)


def _read_table(path: Path, layout: _Layout, split: str | None, records: Records) -> None:
    width = 1 + max(max(pair) for pair in layout.joints)
    for line, cells in islice(csv_rows(path, layout.delimiter), 1, None):
        name = cells[layout.image].strip() if layout.image < len(cells) else ""
        if not name or len(cells) < width:
            what = "names no image" if not name else f"has {len(cells)} cells, and the header {width}"
            records.defects.append(Defect(path, f"the row {what}; it was left out", line))
            continue
        image = ImageRecord(name, path, line=line)
        near = path.parent / (split or "") / name
        beside = [near, path.parent / f"{split}ing" / name]  # "training" beside training_frames.csv
        image.path = next((one for one in beside if split is not None and one.is_file()), None)
        joints = [_joint(cells[x], cells[y]) for x, y in layout.joints]
        box = box_of_joints(joints)
        if box is None:
            records.defects.append(Defect(path, f"{name}: its joints span no box; it was left out", line))
            continue
        image.objects.append(ObjectRecord(CLASS_NAME, box, line=line, joints=joints, boxless=True))
        if split is not None:
            records.given.setdefault(split, []).append(len(records.images))
        records.images.append(image)


def _joint(x: str, y: str) -> tuple[float, float, float]:
    if not x.strip() or not y.strip():
        return 0.0, 0.0, 0.0
    left, top = number_of(x.strip()), number_of(y.strip())
    return (0.0, 0.0, 0.0) if left < 0 or top < 0 else (left, top, 2.0)
