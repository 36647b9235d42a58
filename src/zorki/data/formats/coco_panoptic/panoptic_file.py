"""COCO's panoptic JSON and its PNGs (Kirillov et al., 2019; https://cocodataset.org/#format-data, section 4).

    annotations/panoptic_{train,val}2017.json   annotations/panoptic_{train,val}2017/*.png   images/{train,val}2017/

One PNG an image, in a folder called as the JSON, or beside it. The number of a segment is R + 256 G + 256^2 B of its
pixels; 0 is no segment. `segments_info` gives each its category, and a category is a thing (`isthing` 1) or stuff.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os.path import isfile  # unlike Path's, takes a name that is too long for none
from pathlib import Path
from typing import Any

from zorki.data.annotations.find_images import ImageFinder
from zorki.data.annotations.listing import holds_image, is_image, loose_files
from zorki.data.annotations.outside import leads_out
from zorki.data.formats.coco.read import image_folders, likely_folders
from zorki.data.formats.probe import Probe
from zorki.data.formats.split_files import SplitFiles, find_split_files
from zorki.errors import DataError
from zorki.input_files.json_files import ends, has_key, read_json
from zorki.input_files.numbers import flag_in, image_key, integer_in, whole_number_in
from zorki.types import Defect

EXPECTED = "a panoptic JSON file with images, categories and segments_info, and its PNGs in a folder called as the file"

_MAX_NUMBER = (1 << 24) - 1


@dataclass(frozen=True)
class Segment:
    """One segment of an image: the color 0xRRGGBB of its pixels, its category, and whether it is a crowd."""

    color: int
    category: int
    crowd: bool


@dataclass
class PanopticImage:
    """One image: where it lies, None where it is not there, and the PNG with its segments."""

    name: str
    source: Path
    png: Path
    path: Path | None
    height: int | None
    width: int | None
    image_id: int | str
    segments: list[Segment] = field(default_factory=list)


@dataclass
class PanopticFiles:
    """What all files of a dataset say; `categories` are the names by their ids, and `things` the ids of things."""

    root: Path
    reason: str
    folders: list[Path]
    images: list[PanopticImage] = field(default_factory=list)
    given: dict[str, list[int]] = field(default_factory=dict)
    categories: dict[int, str] = field(default_factory=dict)
    things: set[int] = field(default_factory=set)
    defects: list[Defect] = field(default_factory=list)


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = _find(root)
    if isinstance(found, str):
        return Probe.no(found)
    for path in found[0]:
        if _png_folder(path, root) is None:
            return Probe.no(f"{path.name} is COCO's panoptic JSON, and {_missing_folder(path)}")
    return Probe.yes(_reason(found))


def read_files(root: Path, images: Path | None = None) -> PanopticFiles:
    """What the files say; `images` is where the images lie, if not where the format has them.

    Raises:
        DataError: there is no such file or folder, a file is no JSON, lacks a list or its PNGs, or one id means two
            categories.
    """
    found = _find(root)
    if isinstance(found, str):
        raise DataError(f"{root}: {found}; expected {EXPECTED}")
    base = root if root.is_dir() else root.parent
    folders = [*([images] if images else []), *image_folders(base, list(found[0]))]
    files = PanopticFiles(root, _reason(found), folders)
    files.defects += [Defect(path, "left out: its name tells no split, and others' do") for path in found[1]]
    for path, split in found[0].items():
        pngs = _png_folder(path, root)
        if pngs is None:
            raise DataError(f"{path}: {_missing_folder(path)}; put the PNGs there")
        first = len(files.images)
        _File(path, pngs, files).read()
        _place_images(files.images[first:], path, base, folders)
        if split is not None:
            files.given.setdefault(split, []).extend(range(first, len(files.images)))
    return files


def is_panoptic(path: Path) -> bool:
    """Whether a file is COCO's panoptic JSON, by its beginning and its end."""
    return path.suffix.lower() == ".json" and has_key(ends(path), ("segments_info",), "[")


def _find(root: Path) -> SplitFiles | str:
    return find_split_files(
        root,
        is_panoptic,
        other="it is a file, and no JSON with segments_info",
        nothing="no JSON file with segments_info lies in it, or in a folder of it",
    )


def _reason(found: SplitFiles) -> str:
    return f"it holds COCO's panoptic JSON with PNGs: {', '.join(path.name for path in found[0])}"


def _png_folder(path: Path, root: Path) -> Path | None:
    """The folder of a file's PNGs: called as it, beside it or at the root; or its own, where nothing else lies."""
    base = root if root.is_dir() else root.parent
    named = [parent / path.stem for parent in (path.parent, base, base / "annotations", base / "masks")]
    for folder in [*named, path.parent / "panoptic", base / "panoptic"]:
        if folder.is_dir() and holds_image(folder):
            return folder
    # Where the images lie too, masks are not told from them.
    beside = path.parent != base and any(map(is_image, loose_files(path.parent)))
    return path.parent if beside else None


def _missing_folder(path: Path) -> str:
    return f"its PNGs are not there: no folder {path.stem} with images lies beside it"


def _place_images(images: Sequence[PanopticImage], path: Path, base: Path, folders: Sequence[Path]) -> None:
    """Finds the images; a PNG of segments, which may be called as its image is, is none."""
    pngs = {image.png for image in images}
    likely = likely_folders(path, base)
    finder = ImageFinder(folders)
    for image in images:
        near = [folder / image.name for folder in likely if not leads_out(folder, image.name)]
        found = next((one for one in near if isfile(one) and one not in pngs), None)
        found = found or finder.find(image.name, likely[0] if likely else None)
        image.path = None if found in pngs else found


class _File:
    """One JSON file, read into `files`."""

    def __init__(self, path: Path, pngs: Path, files: PanopticFiles) -> None:
        self.path, self.pngs, self.files = path, pngs, files
        self.ids: set[int] = set()
        self.records: dict[int | str, dict[str, Any]] = {}

    def read(self) -> None:
        values = read_json(self.path)
        lists = {name: values.get(name) if isinstance(values, dict) else None for name in _LISTS}
        for name, value in lists.items():
            if not isinstance(value, list):
                raise DataError(f"{self.path}: expected a list named {name!r} in COCO's panoptic JSON; there is none")
        self._categories(lists["categories"] or [])
        for number, image in enumerate(lists["images"] or []):
            key = image_key(image.get("id")) if isinstance(image, dict) else None
            if key is None or not image.get("file_name"):
                self._defect(f"image {number + 1} of the list has no id or no file_name; left out")
            elif key in self.records:
                self._defect(f"image {number + 1} of the list has the id {key} of another; left out")
            else:
                self.records[key] = image
        seen: set[int | str] = set()
        for number, annotation in enumerate(lists["annotations"] or []):
            if (reason := self._annotation(annotation, seen)) is not None:
                self._defect(f"annotation {number + 1} of the list {reason}; left out")
        if bare := [str(image["file_name"]) for key, image in self.records.items() if key not in seen]:
            count = "1 image has" if len(bare) == 1 else f"{len(bare)} images have"
            self._defect(f"{count} no annotation, {bare[0]!r} first; left out", note=True)

    def _categories(self, categories: Sequence[Any]) -> None:
        untold = []
        for one in categories:
            number = integer_in(one.get("id")) if isinstance(one, dict) else None
            name = "" if number is None or one.get("name") is None else str(one["name"]).strip()
            if number is None or not name:
                raise DataError(f"{self.path}: expected categories with an id and a name, and one is {one!r:.80}")
            before = self.files.categories.setdefault(number, name)
            if before != name:
                raise DataError(f"{self.path}: category id {number} means {name!r} here, and {before!r} before")
            self.ids.add(number)
            if "isthing" not in one:
                untold.append(name)
            if flag_in(one.get("isthing", 1)):
                self.files.things.add(number)
        if untold:
            which = "1 category does" if len(untold) == 1 else f"{len(untold)} categories do"
            self._defect(f"{which} not say isthing, {untold[0]!r} first: taken for things", note=True)

    def _annotation(self, one: Any, seen: set[int | str]) -> str | None:
        """Takes in the segments of one image, or says what is wrong with them."""
        if not isinstance(one, dict) or not isinstance(one.get("segments_info"), list):
            return "has no segments_info"
        key = image_key(one.get("image_id"))
        record = None if key is None else self.records.get(key)
        if key is None or record is None:
            return f"is of image {one.get('image_id')!r:.40}, which the file does not list"
        if key in seen:
            return f"is of image {key}, which was annotated before"
        name = str(record["file_name"])
        own = str(one.get("file_name") or Path(name).with_suffix(".png").name)
        if leads_out(self.pngs, own):
            return f"names the PNG {own!r:.80}, which lies outside of the data"
        seen.add(key)
        height, width = whole_number_in(record.get("height")), whole_number_in(record.get("width"))
        image = PanopticImage(name, self.path, self.pngs / own, None, height, width, key)
        image.segments += self._segments(one["segments_info"], own)
        self.files.images.append(image)
        return None

    def _segments(self, infos: Sequence[Any], png: str) -> Iterator[Segment]:
        wrong: Counter[str] = Counter()
        seen: set[int] = set()
        for one in infos:
            number = integer_in(one.get("id")) if isinstance(one, dict) else None
            category = integer_in(one.get("category_id")) if isinstance(one, dict) else None
            if number is None or not 0 < number <= _MAX_NUMBER:
                wrong[f"has no id of 1 to {_MAX_NUMBER}"] += 1
            elif number in seen:
                wrong["has the id of another"] += 1
            elif category is None or category not in self.ids:
                wrong["is of a category that the file does not list"] += 1
            else:
                seen.add(number)
                yield Segment(color_of_number(number), category, flag_in(one.get("iscrowd")))
        for reason, count in wrong.items():
            self._defect(f"{png}: {'a segment' if count == 1 else f'each of {count} segments'} {reason}; ignored")

    def _defect(self, reason: str, note: bool = False) -> None:
        self.files.defects.append(Defect(self.path, reason, note=note))


_LISTS = ("images", "annotations", "categories")


def color_of_number(number: int) -> int:
    """The color 0xRRGGBB of a segment's number R + 256 G + 256^2 B, which is its own inverse.

    >>> hex(color_of_number(3 + 256 * 2 + 256**2))
    '0x30201'
    """
    return (number & 255) << 16 | (number & 0xFF00) | number >> 16
