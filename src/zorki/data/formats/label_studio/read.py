"""Label Studio's regions as objects: rectangles, polygons, ellipses and brushes; see `export_file` for the file."""

from __future__ import annotations

from functools import partial
from math import cos, hypot, isfinite, radians, sin
from pathlib import Path
from typing import Any

import numpy as np

from zorki.data.annotations.outlines import pixels_at, round_outline
from zorki.data.annotations.records import ObjectRecord, Records, bounds_of
from zorki.data.formats.label_studio import export_file
from zorki.data.formats.label_studio.brush import pixels_of_brush
from zorki.data.formats.label_studio.export_file import EXPECTED, LabelStudioTask, Region
from zorki.data.formats.probe import Probe
from zorki.errors import DataError
from zorki.input_files.numbers import number_in
from zorki.types import Defect

__all__ = ["EXPECTED", "probe", "read"]


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = export_file.find_files(root, export_file.REGION)
    return Probe.no(found) if isinstance(found, str) else Probe.yes(export_file.reason_for(root, found))


def read(root: Path, images: Path | None = None) -> Records:
    """The images with their regions; classes are sorted by name.

    Turned rectangles are outlines of four corners, and their boxes the upright ones around them; how many is told.
    Regions drawn on a rotated view of the image, key points, and regions without a class, or of several, are left out
    and told. An image whose annotation has no region is background; one without an annotation may hold anything, and
    is left out. Uploaded images are found with and without the eight digits that Label Studio puts before their
    names. `images` is where the images lie, if not beside the file.

    Raises:
        DataError: there is no such file or folder, or a file is no JSON.
    """
    found = export_file.find_files(root, export_file.REGION)
    if isinstance(found, str):
        raise DataError(f"{root}: {found}; expected {EXPECTED}")
    files, others = found
    base = root if root.is_dir() else root.parent
    folders = [*(path.parent / "images" for path in files), *(path.parent for path in files), base]
    records = Records(root, "label_studio", export_file.reason_for(root, found), [], folders, boxes_are_shapes=True)
    records.defects += [Defect(path, "left out: its name tells no split, and others' do") for path in others]
    for path, split in files.items():
        turned = 0
        for task in export_file.read_tasks(path, records.defects):
            turned += _read_regions(task, records)
            if split is not None:
                records.given.setdefault(split, []).append(len(records.images))
            records.images.append(task.image)
        if turned:
            boxes = "1 rectangle is" if turned == 1 else f"{turned} rectangles are"
            reason = f"{boxes} turned; boxes are the upright ones around them, masks keep the corners"
            records.defects.append(Defect(path, reason, note=True))
    return records


def _read_regions(task: LabelStudioTask, records: Records) -> int:
    """Puts the regions of a task into its image; how many of them are turned rectangles."""
    turned = 0
    for region in task.regions:
        thing = _object(region)
        if isinstance(thing, str):
            records.defects.append(Defect(task.image.source, f"{task.image.name}: {thing}; left out"))
            continue
        task.image.objects.append(thing)
        turned += region.kind == "rectangle" and bool(number_in(region.value.get("rotation") or 0))
    return turned


def _object(region: Region) -> ObjectRecord | str:
    """The object of a region, or why it is none."""
    if len(region.class_names) != 1:
        many = f"of several classes ({', '.join(region.class_names)})" if region.class_names else "without a class"
        return f"a {region.kind} is {many}"
    name = region.class_names[0]
    if region.size is None:
        return f"a {region.kind} of {name!r} does not tell the size of its image"
    if region.image_rotation:
        return f"a {region.kind} of {name!r} was drawn on the image rotated by {region.image_rotation:g} degrees"
    height, width = region.size
    value = region.value
    if region.kind in ("rectangle", "labels"):
        x, y, wide, high = (_share(value, key, side) for key, side in zip(_BOX, (width, height) * 2, strict=True))
        angle = radians(number_in(value.get("rotation") or 0))
        if not angle:
            return ObjectRecord(name, (x, y, x + wide, y + high))
        corners = [(0.0, 0.0), (wide, 0.0), (wide, high), (0.0, high)]
        c, s = cos(angle), sin(angle)
        ring = [part for a, b in corners for part in (x + a * c - b * s, y + a * s + b * c)]
        return ObjectRecord(name, bounds_of(ring), segments=[ring])
    if region.kind == "polygon":
        return _polygon(name, value, height, width)
    if region.kind == "ellipse":
        x, y, rx, ry = (_share(value, key, side) for key, side in zip(_ELLIPSE, (width, height) * 2, strict=True))
        angle = radians(number_in(value.get("rotation") or 0))
        half_x, half_y = hypot(rx * cos(angle), ry * sin(angle)), hypot(rx * sin(angle), ry * cos(angle))
        box = x - half_x, y - half_y, x + half_x, y + half_y
        return ObjectRecord(name, box, segments=round_outline(x, y, rx, ry, angle))
    if region.kind == "brush":
        return _brush(name, value, height, width)
    return f"a {region.kind} of {name!r} is no box"


_BOX = ("x", "y", "width", "height")
_ELLIPSE = ("x", "y", "radiusX", "radiusY")


def _share(value: dict[str, Any], key: str, side: int) -> float:
    """A percent of a side in pixels."""
    return number_in(value.get(key)) * side / 100


def _polygon(name: str, value: dict[str, Any], height: int, width: int) -> ObjectRecord | str:
    points = value.get("points")
    if not isinstance(points, list) or len(points) < 3 or not all(isinstance(p, list) and len(p) == 2 for p in points):
        return f"a polygon of {name!r} has fewer than three points"
    ring = [number_in(part) * side / 100 for point in points for part, side in zip(point, (width, height), strict=True)]
    return ObjectRecord(name, bounds_of(ring), segments=[ring])


def _brush(name: str, value: dict[str, Any], height: int, width: int) -> ObjectRecord | str:
    if value.get("format", "rle") != "rle" or not isinstance(value.get("rle"), list):
        return f"a brush of {name!r} has no run lengths"
    try:
        pixels = pixels_of_brush(value["rle"], height, width)
    except ValueError as error:
        return f"a brush of {name!r}: {error}"
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    if not len(rows):
        return f"a brush of {name!r} covers no pixel"
    box = float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
    inside = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    assert all(map(isfinite, box))
    return ObjectRecord(name, box, segments=pixels_at(box[0], box[1], partial(inside.copy)))
