"""COCO's JSON (Lin et al., 2014; https://cocodataset.org/#format-data): one file a split.

    annotations/instances_{train,val}2017.json   images/{train,val}2017/
    {train,valid,test}/_annotations.coco.json   beside the images (Roboflow)

A lone JSON file is read too. Category ids may have gaps, and classes stand in the order of their ids.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isfinite, radians
from os.path import isfile  # unlike Path's, takes a name that is too long for none
from pathlib import Path
from typing import Any

from zorki.data.annotations.listing import loose_files, subfolders
from zorki.data.annotations.outlines import box_outline, turned_bounds
from zorki.data.annotations.outside import leads_out
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records, bounds_of
from zorki.data.annotations.split_words import by_split, split_in
from zorki.data.formats.coco.joints import box_of_joints, category_skeleton, joints_of
from zorki.data.formats.probe import Probe
from zorki.data.formats.split_files import SplitFiles
from zorki.errors import DataError
from zorki.input_files.json_files import ends, has_key, is_whole, read_json, read_json_bytes
from zorki.input_files.numbers import flag_in, image_key, integer_in, number_in, whole_number_in
from zorki.ops.rle import box_of
from zorki.types import Defect, Skeleton

EXPECTED = "a JSON file with images, annotations and categories, or a folder with such files, one a split"

_ID = re.compile(rb'"id"\s*:\s*(-?\d{1,19})\b')
_MAX_AREA = 1e18  # square pixels: no area is that large
_LISTS = ("images", "annotations", "categories")
_OTHER_TASKS = ("captions", "panoptic", "stuff", "person_keypoints", "image_info", "keypoints")


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = find_files(root)
    return Probe.no(found) if isinstance(found, str) else Probe.yes(reason_for(root, found))


def read(root: Path, images: Path | None = None) -> Records:
    """What the files say, as they say it; `images` is where the images lie, if not where the format has them.

    Raises:
        DataError: there is no such file or folder, or a file is no JSON or lacks a list.
    """
    found = find_files(root)
    if isinstance(found, str):
        raise DataError(f"{root}: {found}; expected {EXPECTED}")
    return read_files(root, found, images)


def read_files(root: Path, found: SplitFiles, images: Path | None = None, *, joints: bool = False) -> Records:
    """What the files that were found say; with `joints` of keypoints, too."""
    files, others = found
    base = root if root.is_dir() else root.parent
    folders = image_folders(base, list(files))
    records = Records(root, "coco", reason_for(root, found), [], [*folders], line_of=_line_of)
    records.defects += [Defect(path, "left out: its name tells no split, and others' do") for path in others]
    numbers: dict[int, str] = {}
    for path, split in files.items():
        first = len(records.images)
        _File(path, records, numbers, joints).read()
        if images is None:
            _place_images(records.images[first:], path, base)
        if split is not None:
            records.given.setdefault(split, []).extend(range(first, len(records.images)))
    records.defects += [*_unlabeled(records, files), *_notes(root, numbers)]
    records.class_names = list(dict.fromkeys(numbers[number] for number in sorted(numbers)))
    records.category_ids = {name: number for number, name in sorted(numbers.items(), reverse=True)}
    return records


def _unlabeled(records: Records, files: Mapping[Path, str | None]) -> list[Defect]:
    """Takes splits whose file has no annotation at all, beside files that have some, out of the splits, and tells it.

    Such files are published of images whose annotations are kept secret: nothing can be evaluated by them.
    """
    kept = {image.source for image in records.images if image.objects}
    kept |= {defect.path for defect in records.defects if not defect.note}  # it had some, and they were left out
    notes = []
    for path, split in files.items() if kept else ():
        bare = {place for place, image in enumerate(records.images) if image.source == path}
        if split is not None and bare and path not in kept:
            records.given[split] = [place for place in records.given[split] if place not in bare]
            reason = f"has no annotation for any of its {len(bare)} images: they are not evaluated, and in no split"
            notes.append(Defect(path, reason, note=True))
    records.given = {split: places for split, places in records.given.items() if places}
    return notes


def _notes(root: Path, numbers: dict[int, str]) -> list[Defect]:
    """What to say of categories that share a name, and of ids with gaps."""
    reasons = []
    for name, count in Counter(numbers.values()).items():
        if count > 1:
            same = ", ".join(str(number) for number in sorted(numbers) if numbers[number] == name)
            reasons.append(f"categories {same} are all named {name!r}; they were made one class")
    if numbers and (gaps := max(numbers) - min(numbers) + 1 - len(numbers)):
        span = f"{min(numbers)} to {max(numbers)}"
        reasons.append(f"category ids run from {span}, and {gaps} between are of none; classes are in their order")
    return [Defect(root, reason, note=True) for reason in reasons]


def reason_for(root: Path, found: SplitFiles) -> str:
    """Why `root` is of this format."""
    return f"it holds COCO's JSON: {', '.join(_relative(root, found[0]))}"


def find_files(root: Path, *, joints: bool = False) -> SplitFiles | str:
    """The files with their splits, and those that are passed over; or why there are none.

    Args:
        joints: those with keypoints are wanted.
    """
    what = "images, annotations and categories"
    if root.is_file() and joints and root.suffix.lower() == ".json" and not _has_joints(root):
        return "it is a file, and no JSON with keypoints of annotations"
    if root.is_file():
        if root.suffix.lower() != ".json" or not _is_coco(root):
            return f"it is a file, and no JSON with {what}"
        return {root: split_in(root.stem)}, []
    if not root.is_dir():
        return "it is neither a file nor a folder"
    files: dict[Path, str | None] = {}
    for folder in (root / "annotations", root):
        if not files and folder.is_dir():
            files = {path: split_in(path.stem) for path in _jsons(folder, joints)}
    if not files:
        for name in subfolders(root):
            files |= {path: split_in(name) or split_in(path.stem) for path in _jsons(root / name, joints)}
    if not files:
        what += " with keypoints" if joints else ""
        return f"no JSON file with {what} lies in it, or in a folder of it"
    chosen, others, wrong = by_split(files)
    return wrong or (chosen, others)


def _jsons(folder: Path, joints: bool) -> list[Path]:
    """COCO's files in a folder; those of other tasks only where there is none of instances."""
    names = [name for name in loose_files(folder) if name.lower().endswith(".json")]
    found = [folder / name for name in names if _is_coco(folder / name)]
    if joints:
        return [path for path in found if _has_joints(path)]
    return [path for path in found if not path.name.startswith(_OTHER_TASKS)] or found


def _has_joints(path: Path) -> bool:
    """Whether keypoints stand in a file, by its beginning and its end, where categories and annotations stand."""
    return has_key(ends(path), ("keypoints",), "[")


def _is_coco(path: Path) -> bool:
    """Whether a file is a mapping with images and annotations; of a large one, whose middle is not seen, with either.

    Categories alone tell nothing: other tools list theirs beside labels of another format. A file that is called as
    COCO calls its own is meant, and read, whatever it lacks.
    """
    data = ends(path)
    if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") or has_key(data, ("shapes", "segments_info"), "["):
        return False
    seen = sum(has_key(data, (name,), "[") for name in ("images", "annotations"))
    return seen > 1 or (seen == 1 and (path.name.startswith("instances_") or not is_whole(path, data)))


def _relative(root: Path, files: dict[Path, str | None]) -> list[str]:
    return [str(path.relative_to(root)) if path != root else path.name for path in files]


def image_folders(base: Path, files: Sequence[Path]) -> list[Path]:
    """Where images may lie: in `images`, beside the files, in the data's folder, and, of a lone file, above it."""
    above = [base.parent / "images"] if files[0].parent == base and base.name == "annotations" else []
    return [base / "images", *(path.parent for path in files if path.parent.name != "annotations"), *above, base]


def likely_folders(path: Path, base: Path) -> list[Path]:
    """The folders named like a file, and its own: names of images may be the same in train and in val."""
    if base.name == "annotations":
        base = base.parent
    words = re.findall(r"[A-Za-z]+\d*", path.stem)
    likely = [base / "images" / word for word in words] + [base / word for word in words]
    return [folder for folder in [*likely, path.parent] if folder.is_dir()]


def _place_images(images: Sequence[ImageRecord], path: Path, base: Path) -> None:
    """Finds images in the folders named like their file."""
    likely = likely_folders(path, base)
    for image in images:
        for folder in likely:
            if not leads_out(folder, image.name) and isfile(folder / image.name):
                image.path = folder / image.name
                break


class _File:
    """One JSON file, read into the records; `numbers` are the categories of all files by id."""

    def __init__(self, path: Path, records: Records, numbers: dict[int, str], joints: bool) -> None:
        self.path, self.records, self.numbers, self.joints = path, records, numbers, joints
        self.names: dict[int, str] = {}
        self.images: dict[int | str, ImageRecord] = {}
        self.turned = 0  # boxes without an outline that attributes turn

    def read(self) -> None:
        values = read_json(self.path)
        lists = {name: values.get(name) if isinstance(values, dict) else None for name in _LISTS}
        lists["categories"] = lists["categories"] or []  # captions have none
        for name, value in lists.items():
            if not isinstance(value, list):
                raise DataError(f"{self.path}: expected a list named {name!r} in COCO's JSON, and there is none")
        self._categories(lists["categories"] or [], lists["annotations"] or [])
        for number, image in enumerate(lists["images"] or []):
            if (reason := self._image(image)) is not None:
                self._defect(f"image {number + 1} of the list {reason}; left out")
        unknown: Counter[str] = Counter()
        for number, annotation in enumerate(lists["annotations"] or []):
            reason = self._annotation(annotation, unknown)
            if reason is not None:
                own = annotation.get("id") if isinstance(annotation, dict) else None
                line = _line(self.path, own) if isinstance(own, int) else None
                which = f"number {number + 1}" if own is None else own
                self._defect(f"annotation {which} {reason}; left out", line)
        if self.turned:
            boxes = "1 box is" if self.turned == 1 else f"{self.turned} boxes are"
            self._defect(f"{boxes} turned by attributes.rotation: the upright box around each was taken", note=True)
        for category, count in unknown.items():
            which = "1 annotation is" if count == 1 else f"{count} annotations are"
            self._defect(f"{which} of category {category}, which the file does not list; left out")
        ids = Counter(
            one["id"] for one in lists["annotations"] or [] if isinstance(one, dict) and isinstance(one.get("id"), int)
        )
        if repeated := [one for one, count in ids.items() if count > 1]:
            reason = f"{len(repeated)} annotation ids stand more than once, {repeated[0]} first; all were kept"
            self._defect(reason, note=True)

    def _categories(self, categories: Sequence[Any], annotations: Sequence[Any]) -> None:
        used = {integer_in(one.get("category_id")) for one in annotations if isinstance(one, dict)}
        headings = {str(one.get("supercategory")) for one in categories if isinstance(one, dict)}
        for one in categories:
            number = integer_in(one.get("id")) if isinstance(one, dict) else None
            name = "" if number is None or one.get("name") is None else str(one["name"]).strip()
            if number is None or not name:
                raise DataError(f"{self.path}: expected categories with an id and a name, and one is {one!r}")
            if number not in used and one.get("supercategory") in ("none", "", None) and name in headings - {"none"}:
                self._defect(f"category {number}, {name!r}, is a heading of others without a box; no class was made")
                continue
            if self.names.get(number, name) != name or self.numbers.get(number, name) != name:
                before = self.names.get(number) or self.numbers[number]
                raise DataError(f"{self.path}: category id {number} means {name!r} here, and {before!r} before")
            self.names[number] = self.numbers[number] = name
            if self.joints:
                self._skeleton(name, category_skeleton(self.path, one))

    def _skeleton(self, name: str, skeleton: Skeleton | None) -> None:
        before = self.records.skeletons.get(name, skeleton)
        if skeleton is not None and before is not None and before.names != skeleton.names:
            raise DataError(
                f"{self.path}: {name!r} has {len(skeleton)} joints ({', '.join(skeleton.names[:3])}, ...) here, and "
                f"{len(before)} ({', '.join(before.names[:3])}, ...) in another file; read files of one skeleton"
            )
        if skeleton is not None:
            self.records.skeletons[name] = skeleton

    def _image(self, image: Any) -> str | None:
        """Takes in one image, or says what is wrong with it."""
        key = image_key(image.get("id")) if isinstance(image, dict) else None
        if key is None or not image.get("file_name"):
            return "has no id or no file_name"
        name = str(image["file_name"])
        if key in self.images:
            return f"({name!r}) has the id {key} of {self.images[key].name!r}"
        height, width = whole_number_in(image.get("height")), whole_number_in(image.get("width"))
        self.images[key] = ImageRecord(name, self.path, height=height, width=width, image_id=key)
        self.records.images.append(self.images[key])
        return None

    def _annotation(self, one: Any, unknown: Counter[str]) -> str | None:
        """Takes in one annotation, or says what is wrong with it; unknown categories are counted."""
        if not isinstance(one, dict):
            return f"is {one!r}, and no mapping"
        key = image_key(one.get("image_id"))
        image = None if key is None else self.images.get(key)
        if image is None:
            return f"is of image {one.get('image_id')!r}, which the file does not list"
        number = integer_in(category := one.get("category_id"))
        name = None if number is None else self.names.get(number)
        if name is None:
            unknown[str(category)] += 1
            return None
        segments = one.get("segmentation") or None
        joints = joints_of(one) if self.joints else None
        if isinstance(joints, str):
            return joints
        corners = _corners(one.get("bbox"), segments)
        boxless = corners is None
        if corners is None and joints is not None and not one.get("bbox"):
            corners = box_of_joints(joints)
        if corners is None:
            return "has no bbox of four numbers (left, top, width, height)"
        if (angle := _angle(one)) and not segments:
            self.turned += 1
            segments, corners = box_outline(corners, angle), turned_bounds(corners, angle)
        area = number_in(one.get("area"))
        image.objects.append(
            ObjectRecord(
                name,
                corners,
                crowd=flag_in(one.get("iscrowd")),
                difficult=flag_in(one.get("ignore")) or flag_in(one.get("difficult")),
                segments=segments,
                identity=integer_in(one.get("id")),
                area=area if 0 <= area < _MAX_AREA else None,
                joints=joints,
                boxless=boxless,
            )
        )
        return None

    def _defect(self, reason: str, line: int | None = None, note: bool = False) -> None:
        self.records.defects.append(Defect(self.path, reason, line, note))


def _angle(one: dict[str, Any]) -> float:
    """How far CVAT's attributes turn a box about its center, in radians; 0 where they do not."""
    attributes = one.get("attributes")
    degrees = number_in(attributes.get("rotation") or 0) if isinstance(attributes, dict) else 0.0
    return radians(degrees % 360) if isfinite(degrees) else 0.0


def _corners(box: Any, segments: Any) -> tuple[float, float, float, float] | None:
    if isinstance(box, list) and len(box) == 4:
        left, top, width, height = map(number_in, box)
        return left, top, left + width, top + height
    if box:
        return None
    if not isinstance(segments, list):
        return box_of(segments)
    polygons = [polygon for polygon in segments if isinstance(polygon, list)]
    points = [number_in(value) for polygon in polygons for value in polygon]
    if len(points) < 6 or any(len(polygon) % 2 for polygon in polygons):
        return None
    return bounds_of(points)


def _line_of(image: ImageRecord, thing: ObjectRecord) -> int | None:
    return None if thing.identity is None else _line(image.source, thing.identity)


def _line(path: Path, identity: int) -> int | None:
    """The line of an annotation; None where the file has but a few lines, which tell nothing."""
    return _lines(path, path.stat().st_mtime_ns).get(identity)


@lru_cache(maxsize=1)
def _lines(path: Path, modified: int) -> dict[int, int]:
    """The lines of all annotations by id, in one way through the file: every other one may have something to tell."""
    data = read_json_bytes(path)
    found: dict[int, int] = {}
    if data.count(b"\n", 0, 1 << 16) < 3:
        return found
    place = max(0, data.find(b'"annotations"'))
    line = 1 + data.count(b"\n", 0, place)
    for match in _ID.finditer(data, place):
        line += data.count(b"\n", place, match.start())
        place = match.start()
        found.setdefault(int(match[1]), line)
    return found
