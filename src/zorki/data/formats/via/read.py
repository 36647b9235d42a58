"""VGG Image Annotator's JSON, versions 1 and 2 (Dutta and Zisserman, 2019): one file for all images.

    {"1.jpg8123": {"filename": "1.jpg", "size": 8123, "regions": [{"shape_attributes": {"name": "rect", "x": 1, ...},
                                                                   "region_attributes": {"class": "cat"}}]}}

A project, where this stands under `_via_img_metadata`, is read too; regions may be a list or a mapping.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from math import cos, hypot, isfinite, sin
from pathlib import Path
from typing import Any

from zorki.data.annotations.outlines import round_outline
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records, bounds_of
from zorki.data.formats.probe import Probe
from zorki.data.formats.split_files import SplitFiles, find_split_files, image_folders, read_split_files
from zorki.errors import DataError, did_you_mean
from zorki.input_files.json_files import ends, has_key, key_lines, list_in, read_json, read_json_bytes
from zorki.input_files.numbers import number_in
from zorki.types import Defect

EXPECTED = "VIA's JSON (of its annotations or of a project), or a folder with such files, one a split"

_CLASS_KEYS = ("class", "label", "name", "type", "category", "object", "class_name", "object_name")
UNNAMED = "object"
"""The class of all regions where none of them has an attribute."""


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = _find(root)
    return Probe.no(found) if isinstance(found, str) else Probe.yes(_reason(root, found))


def read(root: Path, images: Path | None = None, class_attribute: str | None = None) -> Records:
    """What the files say, as they say it; `images` is where the images lie, if not where the format has them.

    Args:
        class_attribute: of the regions, in any case; None takes one that is called as a class usually is, else the one
            that most regions have. Where there are several they are listed.

    Raises:
        DataError: there is no such file or folder, or a file is no JSON.
    """
    found = _find(root)
    if isinstance(found, str):
        raise DataError(f"{root}: {found}; expected {EXPECTED}")
    records = Records(root, "via", _reason(root, found), [], image_folders(root, found), boxes_are_shapes=True)
    return read_split_files(records, found, partial(_read_file, class_attribute=class_attribute), beside=images is None)


def _reason(root: Path, found: SplitFiles) -> str:
    return f"it holds VIA's JSON: {', '.join(path.name for path in found[0])}"


def _find(root: Path) -> SplitFiles | str:
    return find_split_files(
        root,
        _is_via,
        other="it is a file, and not VIA's JSON",
        nothing="no JSON file in it, or in a folder of it, has shape_attributes and regions",
    )


def _is_via(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    data = ends(path)
    return has_key(data, ("_via_img_metadata", "_via_settings", "shape_attributes")) or (
        has_key(data, ("regions",)) and has_key(data, ("filename",))
    )


def _read_file(path: Path, records: Records, class_attribute: str | None) -> None:
    data = read_json_bytes(path)
    values = read_json(path, data)
    values = values.get("_via_img_metadata", values) if isinstance(values, dict) else None
    if not isinstance(values, dict):
        raise DataError(f"{path}: expected VIA's JSON, a mapping of images, and got something else")
    entries = [entry for entry in values.values() if isinstance(entry, dict) and entry.get("filename")]
    keys = Counter(key for entry in entries for region in _regions(entry) for key in _attributes(region))
    key = _class_key(path, keys, class_attribute, records.defects)
    lines = iter(key_lines(data, "shape_attributes"))
    for entry in entries:
        image = ImageRecord(str(entry["filename"]).replace("\\", "/"), path)
        for region in _regions(entry):
            line = next(lines, None) if isinstance(region, dict) and "shape_attributes" in region else None
            thing = _object(region, key, line)
            if isinstance(thing, str):
                records.defects.append(Defect(path, f"{image.name}: {thing}; left out", line))
            else:
                image.objects.append(thing)
        records.images.append(image)


def _class_key(path: Path, keys: Counter[str], attribute: str | None, defects: list[Defect]) -> str | None:
    """The attribute, in small letters, that is the class; None where regions have none. Raises DataError."""
    listed = ", ".join(f"{key} ({count} regions)" for key, count in keys.most_common())
    if attribute is not None:
        if attribute.strip().lower() not in keys:
            near = did_you_mean(attribute, keys)
            raise DataError(f"{path}: no region has the attribute {attribute!r}; there are: {listed or 'none'}.{near}")
        return attribute.strip().lower()
    if not keys:
        defects.append(Defect(path, f"no region has an attribute: all are taken as {UNNAMED!r}", note=True))
        return None
    key = next((key for key in _CLASS_KEYS if key in keys), keys.most_common(1)[0][0])
    if len(keys) > 1:
        reason = f"regions have several attributes: {listed}; {key} was taken for the class"
        defects.append(Defect(path, f"{reason}, --class-attribute takes another", note=True))
    return key


def _regions(entry: dict[str, Any]) -> Iterator[Any]:
    regions = entry.get("regions") or []
    yield from regions.values() if isinstance(regions, dict) else regions if isinstance(regions, list) else []


def _attributes(region: Any) -> dict[str, Any]:
    """The attributes of a region by their names in small letters: people write them now so, now so."""
    found = region.get("region_attributes") if isinstance(region, dict) else None
    return {str(key).strip().lower(): value for key, value in found.items()} if isinstance(found, dict) else {}


def _object(region: Any, key: str | None, line: int | None) -> ObjectRecord | str:
    """The object of a region, or why it is none."""
    shape = region.get("shape_attributes") if isinstance(region, dict) else None
    if not isinstance(shape, dict):
        return "a region has no shape"
    value = UNNAMED if key is None else _attributes(region).get(key)
    if isinstance(value, dict):  # a checkbox
        ticked = [name for name, set_ in value.items() if set_ in (True, "true", 1)]
        value = ticked[0] if len(ticked) == 1 else None
    name = str(value).strip() if value is not None else ""
    if not name:
        return f"a region has no single class in its attribute {key!r}"
    kind = str(shape.get("name"))
    number = {key: number_in(value) for key, value in shape.items() if not isinstance(value, list)}
    if kind == "rect":
        left, top = number.get("x", _NAN), number.get("y", _NAN)
        bounds = left, top, left + number.get("width", _NAN), top + number.get("height", _NAN)
        return ObjectRecord(name, bounds, line=line)
    if kind in ("circle", "ellipse"):
        bounds, segments = _round(kind, number)
        return ObjectRecord(name, bounds, line=line, segments=segments)
    if kind in ("polygon", "polyline"):
        xs, ys = ([number_in(value) for value in list_in(shape.get(f"all_points_{side}"))] for side in "xy")
        if len(xs) != len(ys) or len(xs) < 3:
            return f"a {kind} of {name!r} has {len(xs)} x and {len(ys)} y; expected as many of both, at least three"
        points = [value for pair in zip(xs, ys, strict=True) for value in pair]
        return ObjectRecord(name, bounds_of(points), line=line, segments=[points])
    return f"a {kind} of {name!r} is no box"


_NAN = float("nan")


def _round(kind: str, number: dict[str, float]) -> tuple[tuple[float, float, float, float], list[list[float]] | None]:
    """The bounds and the outline of a circle, or of an ellipse turned by theta."""
    x, y, angle = number.get("cx", _NAN), number.get("cy", _NAN), number.get("theta", 0.0)
    if not isfinite(angle):
        return (_NAN, _NAN, _NAN, _NAN), None
    rx, ry = (number.get(side, _NAN) for side in (("r", "r") if kind == "circle" else ("rx", "ry")))
    half_x, half_y = hypot(rx * cos(angle), ry * sin(angle)), hypot(rx * sin(angle), ry * cos(angle))
    return (x - half_x, y - half_y, x + half_x, y + half_y), round_outline(x, y, rx, ry, angle)
