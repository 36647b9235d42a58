"""CVAT's XML for images (https://docs.cvat.ai/docs/manual/advanced/xml_format/): one file for all images.

<annotations><image name="1.jpg" width="640" height="480"><box label="cat" xtl="1" ytl="2" xbr="3" ybr="4"/>...
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from math import cos, hypot, isfinite, radians, sin
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from zorki.data.annotations.listing import loose_files
from zorki.data.annotations.outlines import box_outline, join_groups, pixels_at, round_outline, turned_bounds
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records, bounds_of
from zorki.data.annotations.split_words import split_in
from zorki.data.formats.probe import Probe
from zorki.data.images import MAX_PIXELS, size_reason
from zorki.errors import DataError
from zorki.input_files.content import open_file
from zorki.input_files.numbers import MAX_SIDE, number_of, whole_number_of
from zorki.input_files.xml_files import element_lines, read_xml, text_of
from zorki.types import Defect

EXPECTED = "CVAT's XML for images (annotations.xml), or a folder with it"

# A group of boxes holds objects that belong together, such as a person and a hat; one of outlines an object's parts.
_PARTS = ("polygon", "mask")
_SHAPES = ("box", "polygon", "polyline", "points", "ellipse", "mask", "skeleton", "cuboid")


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = find_file(root)
    return Probe.no(found) if isinstance(found, str) else Probe.yes(_reason(root, found))


def read(root: Path, images: Path | None = None) -> Records:
    """What the files say, as they say it; `images` is where the images lie, if not where the format has them.

    Raises:
        DataError: there is no such file or folder, or the XML is broken.
    """
    path = find_file(root)
    if isinstance(path, str):
        raise DataError(f"{root}: {path}; expected {EXPECTED}")
    base = path.parent
    folders = [base / "images", base / "data", base]
    records = Records(root, "cvat", _reason(root, path), [], folders, boxes_are_shapes=True)
    tree, data = read_xml(path)
    names = [text_of(label, "name") for label in tree.iterfind("meta/*/labels/label")]
    names += [text_of(label, "name") for label in tree.iterfind("meta/labels/label")]
    if tree.find("image") is None:
        what = "tracks of a video; export it as images" if tree.find("track") is not None else "no <image>"
        raise DataError(f"{path}: expected CVAT's XML for images, and it holds {what}")
    image_lines = element_lines(data, "image")
    shape_lines = iter(element_lines(data, *_SHAPES))
    for number, image in enumerate(tree.findall("image")):
        line = image_lines[number] if number < len(image_lines) else None
        _read_image(image, line, shape_lines, path, records)
    found = [thing.class_name for source_image in records.images for thing in source_image.objects]
    records.class_names = list(dict.fromkeys([*filter(None, names), *sorted(set(found))]))
    return records


def _reason(root: Path, found: Path) -> str:
    return f"it holds CVAT's XML for images: {found.name}"


def find_file(root: Path) -> Path | str:
    """The file of a folder, or why there is none."""
    if root.is_file():
        return root if _is_cvat(root) else "it is a file, and not CVAT's XML for images"
    if not root.is_dir():
        return "it is neither a file nor a folder"
    found = [root / name for name in loose_files(root) if _is_cvat(root / name)]
    if len(found) > 1:
        return f"several such files lie in it ({', '.join(path.name for path in found)}); name one"
    return found[0] if found else "no XML file in it begins with <annotations> and holds <image>"


def _is_cvat(path: Path) -> bool:
    if path.suffix.lower() != ".xml":
        return False
    try:
        with open_file(path) as file:
            return re.search(rb"<annotations[\s>]", file.read(4096)) is not None
    except OSError:
        return False


def _read_image(image: Element, line: int | None, lines: Iterator[int], path: Path, records: Records) -> None:
    name = (image.get("name") or "").strip()
    source_image = ImageRecord(name, path, line=line)
    source_image.height, source_image.width = whole_number_of(image.get("height")), whole_number_of(image.get("width"))
    shapes: list[tuple[ObjectRecord, object | None]] = []
    for shape in image.iter():
        if shape.tag not in _SHAPES:
            continue
        own = next(lines, None)
        thing = _object(shape, own)
        if isinstance(thing, str):
            records.defects.append(Defect(path, f"{name}: {thing}; left out", own))
        elif thing is not None:
            group = shape.get("group_id") if shape.tag in _PARTS else None
            shapes.append((thing, None if group in (None, "", "0") else group))
    source_image.objects = join_groups(shapes)
    if not name:
        records.defects.append(Defect(path, "an image has no name; left out", line))
        return
    if (split := split_in(image.get("subset") or "")) is not None:
        records.given.setdefault("train" if split == "trainval" else split, []).append(len(records.images))
    records.images.append(source_image)


def _object(shape: Element, line: int | None) -> ObjectRecord | str | None:
    """The object of a shape, or why it is none; None for parts of another shape."""
    label = (shape.get("label") or "").strip()
    if not label:
        return f"a {shape.tag} has no label"
    segments: Any = None
    if shape.tag == "box":
        left, top, right, bottom = (number_of(shape.get(side)) for side in ("xtl", "ytl", "xbr", "ybr"))
        degrees = _degrees(shape)
        bounds = turned_bounds((left, top, right, bottom), radians(degrees))
        segments = box_outline((left, top, right, bottom), radians(degrees)) if degrees else None
    elif shape.tag == "polygon":
        points = [number_of(value) for value in re.split(r"[;,]", shape.get("points") or "")]
        if len(points) < 6 or len(points) % 2:
            return f"a polygon of {label!r} has fewer than three points"
        segments = [points]
        bounds = bounds_of(points)
    elif shape.tag == "ellipse":
        x, y, rx, ry = (number_of(shape.get(side)) for side in ("cx", "cy", "rx", "ry"))
        angle = radians(_degrees(shape))
        half_x, half_y = hypot(rx * cos(angle), ry * sin(angle)), hypot(rx * sin(angle), ry * cos(angle))
        bounds = x - half_x, y - half_y, x + half_x, y + half_y
        segments = round_outline(x, y, rx, ry, angle)
    elif shape.tag == "mask":
        left, top, width, height = (number_of(shape.get(side)) for side in ("left", "top", "width", "height"))
        bounds = left, top, left + width, top + height
        segments = pixels_at(left, top, partial(_runs, shape.get("rle") or "", width, height))
    else:
        return f"a {shape.tag} of {label!r} is no box"
    return ObjectRecord(label, bounds, line=line, segments=segments)


def _degrees(shape: Element) -> float:
    """How far a shape is turned; what is no finite number makes no box."""
    value = number_of(shape.get("rotation") or "0")
    return value if isfinite(value) else float("nan")


def _runs(text: str, width: float, height: float) -> np.ndarray[Any, np.dtype[Any]]:
    """The pixels that run lengths tell, row after row, off and on in turn. Raises ValueError."""
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):  # so that not-a-number is refused too
        raise ValueError(f"its box of {width:g} x {height:g} has no size")
    if (beyond := size_reason((int(width), int(height)), MAX_PIXELS)) is not None:
        raise ValueError(beyond)
    lengths = np.array([number_of(word) for word in text.split(",")], np.float64)
    if not (lengths >= 0).all() or lengths.sum() != width * height:
        raise ValueError(
            f"its run lengths are of {lengths.sum():g} pixels, and its box of {width:g} x {height:g} has "
            f"{width * height:g}"
        )
    flags = np.arange(len(lengths)) % 2 == 1
    return np.repeat(flags, lengths.astype(np.int64)).reshape(int(height), int(width))
