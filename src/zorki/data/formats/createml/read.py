"""CreateML's JSON for object detection: a file beside the images, as Roboflow exports it for each split.

    train/_annotations.createml.json: [{"image": "1.jpg", "annotations": [
        {"label": "cat", "coordinates": {"x": 50, "y": 35, "width": 60, "height": 50}}]}]

`x` and `y` are the center, all in pixels (https://developer.apple.com/documentation/createml). The images' sizes stand
nowhere and are read from their headers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records
from zorki.data.formats.probe import Probe
from zorki.data.formats.split_files import SplitFiles, find_split_files, image_folders, read_split_files
from zorki.errors import DataError
from zorki.input_files.json_files import ends, has_key, key_lines, list_in, read_json, read_json_bytes
from zorki.input_files.numbers import number_in
from zorki.types import Defect

EXPECTED = "CreateML's JSON (_annotations.createml.json), or a folder with such files, one a split"


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = _find(root)
    return Probe.no(found) if isinstance(found, str) else Probe.yes(_reason(root, found[0]))


def read(root: Path, images: Path | None = None) -> Records:
    """The images of the files with their boxes; classes are sorted by name.

    Splits are told by the names of files or folders. An image without annotations is background. `images` is where
    the images lie, if not beside their file.

    Raises:
        DataError: there is no such file or folder, or a file is no JSON.
    """
    found = _find(root)
    if isinstance(found, str):
        raise DataError(f"{root}: {found}; expected {EXPECTED}")
    records = Records(root, "createml", _reason(root, found[0]), [], image_folders(root, found))
    return read_split_files(records, found, _read_file, beside=images is None)


def _find(root: Path) -> SplitFiles | str:
    return find_split_files(
        root,
        _is_createml,
        other="it is a file, and not CreateML's JSON",
        nothing="no JSON file in it, or in a folder of it, has images with annotations and coordinates",
    )


def _is_createml(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    data = ends(path)
    if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[") or not has_key(data, ("annotations",), "["):
        return False
    return has_key(data, ("coordinates",), "{") or "createml" in path.name.lower()  # a split may have no box at all


def _reason(root: Path, files: dict[Path, str | None]) -> str:
    names = [path.relative_to(root).as_posix() if root.is_dir() else path.name for path in files]
    return f"it holds CreateML's JSON: {', '.join(names)}"


def _read_file(path: Path, records: Records) -> None:
    data = read_json_bytes(path)
    entries = read_json(path, data)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"{path}: expected CreateML's JSON, a list of images with annotations")
    lines = iter(key_lines(data, "coordinates"))
    for place, entry in enumerate(entries):
        name = str(entry.get("image") or entry.get("imagefilename") or "")
        if not name:
            records.defects.append(Defect(path, f"entry {place + 1} names no image; left out"))
        image = ImageRecord(name, path)
        for one in list_in(entry.get("annotations") or entry.get("annotation")):
            thing = _object(one, next(lines, None) if isinstance(one, dict) and "coordinates" in one else None)
            if isinstance(thing, str):
                records.defects.append(Defect(path, f"{name}: {thing}; left out"))
            else:
                image.objects.append(thing)
        if name:
            records.images.append(image)


def _object(one: Any, line: int | None) -> ObjectRecord | str:
    """The object of an annotation, or why it is none."""
    if not isinstance(one, dict) or not isinstance(box := one.get("coordinates"), dict):
        return "an annotation has no coordinates"
    if not (label := str(one.get("label") or "").strip()):
        return "a box has no label"
    x, y, width, height = (number_in(box.get(key)) for key in ("x", "y", "width", "height"))
    return ObjectRecord(label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2), line=line)
