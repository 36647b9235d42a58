"""labelme's JSON: one file an image, with shapes; the image lies beside it or inside of it.

1.json: {"imagePath": "1.jpg", "imageData": null, "shapes": [{"label": "cat", "shape_type": "rectangle", ...}]}
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from math import hypot
from os.path import isfile  # unlike Path's, takes a name that is too long for none
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from zorki.data.annotations.find_images import ImageFinder
from zorki.data.annotations.instances.object_masks import ObjectMask, ObjectMaskTally, object_mask
from zorki.data.annotations.listing import walk_files
from zorki.data.annotations.masks.stored import stored_in
from zorki.data.annotations.outlines import join_groups, pixels_at, round_outline
from zorki.data.annotations.outside import leads_out
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records, bounds_of
from zorki.data.annotations.splits import split_name
from zorki.data.formats.probe import Probe
from zorki.errors import DataError
from zorki.input_files.json_files import ends, has_key, key_lines, read_json, read_json_bytes
from zorki.input_files.numbers import number_in, whole_number_in
from zorki.types import Defect

EXPECTED = "labelme's JSON files, one an image, with shapes and imagePath"

Array = np.ndarray[Any, np.dtype[Any]]

_TURNED = ("oriented_rectangle", "rotation")  # labelme's word and X-AnyLabeling's for four corners
_NO_CLASSES = ("__ignore__", "_background_")  # labelme's words for what is no object
_PROBE_FILES = 10  # JSON files that are looked at to recognize the format


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    if not root.exists():
        return Probe.no("it is neither a file nor a folder")
    first = next((path for path in islice(_files(root), _PROBE_FILES) if _is_labelme(path)), None)
    if first is None:
        return Probe.no("no JSON file in it or below it has shapes and imagePath")
    return Probe.yes(f"it holds labelme's JSON files, such as {first.name}")


def read(root: Path, images: Path | None = None) -> Records:
    """What the files say, as they say it; `images` is where the images lie, if not where the format has them.

    Raises:
        DataError: there is no such file or folder, or a file is no JSON.
    """
    fit = probe(root)
    if not fit.fits:
        raise DataError(f"{root}: {fit.reason}; expected {EXPECTED}")
    base = root if root.is_dir() else root.parent
    folders = [base / "images", base]
    finder = ImageFinder([*([images] if images else []), *folders])
    records = Records(root, "labelme", fit.reason, [], folders, boxes_are_shapes=True)
    tally = ObjectMaskTally()
    for path in _files(root):
        if not _is_labelme(path):
            continue
        image = _read_file(path, records, finder, tally)
        split = next((word for part in path.relative_to(base).parts[:-1] if (word := split_name(part))), None)
        if split is not None:
            records.given.setdefault(split, []).append(len(records.images))
        records.images.append(image)
    records.defects += tally.notes(root)
    return records


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
    else:
        yield from (root / name for name in walk_files(root) if name.lower().endswith(".json"))


def _is_labelme(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    data = ends(path)
    return has_key(data, ("shapes",), "[") and has_key(data, ("imagePath", "imageHeight", "imageData"))


def _read_file(path: Path, records: Records, finder: ImageFinder, tally: ObjectMaskTally) -> ImageRecord:
    data = read_json_bytes(path)
    values = read_json(path, data)
    if not isinstance(values, dict) or not isinstance(values.get("shapes"), list):
        raise DataError(f"{path}: expected labelme's JSON with a list of shapes, and there is none")
    name = str(values.get("imagePath") or path.stem).replace("\\", "/")
    image = ImageRecord(name, path, other_name=path.stem)
    image.height, image.width = (whole_number_in(values.get(side)) for side in ("imageHeight", "imageWidth"))
    beside = path.parent / name
    image.path = beside if not leads_out(path.parent, name) and isfile(beside) else _find(finder, path, name)
    image.embedded = image.path is None and bool(values.get("imageData"))
    lines = key_lines(data, "label")
    shapes: list[tuple[ObjectRecord, object | None]] = []
    for number, shape in enumerate(values["shapes"]):
        line = lines[number] if number < len(lines) else None
        if isinstance(shape, dict) and (word := str(shape.get("label")).strip()) in _NO_CLASSES:
            records.defects.append(Defect(path, f"a shape is called {word}, which is no class; left out", line))
            continue
        thing = _object(shape, line, tally)
        if isinstance(thing, str):
            records.defects.append(Defect(path, f"{thing}; left out", line))
        else:
            group = shape.get("group_id")
            shapes.append((thing, group if isinstance(group, int | str) else None))
    image.objects = join_groups(shapes)
    return image


def _find(finder: ImageFinder, path: Path, name: str) -> Path | None:
    return finder.find(PurePosixPath(name).name, path.parent) or finder.find(path.stem, path.parent)


def _object(shape: Any, line: int | None, tally: ObjectMaskTally) -> ObjectRecord | str:
    """The object of a shape, or why it is none; pixels are counted in the tally, which decides what they mean."""
    label = str(shape.get("label") or "").strip() if isinstance(shape, dict) else ""
    if not label:
        return "a shape has no label"
    kind = str(shape.get("shape_type") or "polygon")  # early versions knew nothing else, and did not say it
    try:
        points = [(number_in(x), number_in(y)) for x, y in shape.get("points") or []]
    except (TypeError, ValueError):
        return f"a {kind} of {label!r} has points that are no pairs of x and y"
    least = {"rectangle": 2, "polygon": 3, "circle": 2, "mask": 2, **dict.fromkeys(_TURNED, 4)}.get(kind)
    if least is None:
        return f"a {kind} of {label!r} is no box"
    if len(points) < least:
        return f"a {kind} of {label!r} has {len(points)} points; expected at least {least}"
    xs, ys = [x for x, _ in points], [y for _, y in points]
    segments: Any = None
    if kind == "circle":
        radius = hypot(xs[1] - xs[0], ys[1] - ys[0])
        bounds = xs[0] - radius, ys[0] - radius, xs[0] + radius, ys[0] + radius
        segments = round_outline(xs[0], ys[0], radius, radius)
    elif kind == "mask" and isinstance(shape.get("mask"), str):
        bounds = xs[0], ys[0], xs[1] + 1, ys[1] + 1  # the last pixel is inside
        with suppress(ValueError):  # is told where it is filled
            tally.add([_png(shape["mask"]).counts])
        segments = pixels_at(xs[0], ys[0], partial(_pixels, shape["mask"], tally))
    elif len(points) == 2:
        bounds = xs[0], ys[0], xs[1], ys[1]
    else:
        bounds = bounds_of([value for point in points for value in point])
        outlined = kind == "polygon" or kind in _TURNED
        segments = [[value for point in points for value in point]] if outlined else None
    return ObjectRecord(label, bounds, difficult=shape.get("difficult") is True, line=line, segments=segments)


def _pixels(text: str, tally: ObjectMaskTally) -> Array:
    """The object's pixels in a PNG in base 64, decided once all masks are counted. Raises ValueError."""
    return _png(text).of(tally.smeared)


def _png(text: str) -> ObjectMask:
    try:
        return object_mask(stored_in(base64.b64decode(text)))
    except (ValueError, DataError) as error:
        raise ValueError(f"the PNG of a mask cannot be read: {error}") from error
