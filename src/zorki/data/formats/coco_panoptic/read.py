"""The things in COCO's panoptic JSON as objects with masks; see `panoptic_file` for the files."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from zorki.data.annotations.instances.label_maps import objects_in
from zorki.data.annotations.masks.dataset import ClassMap, other_size
from zorki.data.annotations.masks.stored import read_stored
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records
from zorki.data.formats.coco_panoptic import panoptic_file
from zorki.data.formats.coco_panoptic.panoptic_file import EXPECTED, PanopticFiles, PanopticImage, Segment, probe
from zorki.errors import DataError
from zorki.types import Defect

__all__ = ["EXPECTED", "probe", "read"]

Array = np.ndarray[Any, np.dtype[Any]]

_READERS = 8  # threads: decoders work side by side
_MAX_SEGMENTS = 254  # that are looked up in one map of 8 bits


def read(root: Path, images: Path | None = None) -> Records:
    """The things with their masks; classes stand in the order of their ids, and stuff is left out with a note.

    Boxes are tight around masks, crowds are kept as such. `images` is where the images lie, if not where the format
    has them. Raises DataError as `read_files`.
    """
    files = panoptic_file.read_files(root, images)
    pngs = {image.png.parent for image in files.images}
    # An image that is not there must not be found among the PNGs, which may be called alike.
    folders = [folder for folder in files.folders if not any(png.is_relative_to(folder) for png in pngs)]
    records = Records(root, "coco_panoptic", files.reason, [], folders, given=files.given, defects=files.defects)
    with ThreadPoolExecutor(_READERS) as pool:
        read_ones = list(pool.map(lambda image: _read_image(image, files), files.images))
    new: dict[int, int] = {}
    for place, (image, defects) in enumerate(read_ones):
        records.defects += defects
        if image is not None:
            new[place] = len(records.images)
            records.images.append(image)
    records.given = {split: [new[old] for old in olds if old in new] for split, olds in files.given.items()}
    records.defects += _stuff_left_out(files)
    numbers = {number: files.categories[number] for number in sorted(files.things)}
    records.class_names = list(dict.fromkeys(numbers.values()))
    records.category_ids = {name: number for number, name in sorted(numbers.items(), reverse=True)}
    return records


def _stuff_left_out(files: PanopticFiles) -> list[Defect]:
    counts = Counter(
        files.categories[one.category] for image in files.images for one in image.segments
        if one.category not in files.things
    )  # fmt: skip
    if not counts:
        return []
    listed = ", ".join(sorted(counts)[:5]) + (", ..." if len(counts) > 5 else "")
    some = "1 segment" if counts.total() == 1 else f"{counts.total()} segments"
    reason = f"{some} of stuff ({listed}) left out: objects are things (isthing 1); semantic segmentation takes both"
    return [Defect(files.root, reason, note=True)]


def _read_image(image: PanopticImage, files: PanopticFiles) -> tuple[ImageRecord | None, list[Defect]]:
    """The image with its things, None where its PNG cannot be used, and what is wrong."""
    try:
        stored = read_stored(image.png)
    except DataError as error:
        reason = str(error).removeprefix(f"{image.png}: ")
        return None, [Defect(image.png, f"{reason}; left out, and its image with it")]
    colors = stored.colors()
    height, width = colors.shape
    if image.height and image.width and (image.height, image.width) != (height, width):
        return None, [Defect(image.png, f"{other_size((image.height, image.width), (height, width))}; both left out")]
    record = ImageRecord(image.name, image.png, path=image.path, height=height, width=width, image_id=image.image_id)
    things = [segment for segment in image.segments if segment.category in files.things]
    for start in range(0, len(things), _MAX_SEGMENTS):
        record.objects += _objects(colors, things[start : start + _MAX_SEGMENTS], files)
    defects = []
    if gone := len(things) - len(record.objects):
        some = "1 thing that is listed has" if gone == 1 else f"{gone} things that are listed have"
        defects.append(Defect(image.png, f"{some} no pixel; left out"))
    return record, defects


def _objects(colors: Array, things: list[Segment], files: PanopticFiles) -> list[ObjectRecord]:
    # Numbers from 1, in the order of the list; other pixels are 255, and then 0.
    numbers = ClassMap.of({thing.color: number for number, thing in enumerate(things, 1)})
    values = numbers.look_up(colors).astype(np.uint8)
    values[values == 255] = 0
    found = []
    for one in objects_in(values):
        thing = things[one.number - 1]
        outline = {"size": list(colors.shape), "counts": one.text.decode()}
        name = files.categories[thing.category]
        found.append(ObjectRecord(name, one.xyxy, crowd=thing.crowd, segments=outline, area=float(one.pixels)))
    return found
