"""YOLO's text files: a line `class x y width height` for each box, center and size in shares of the image.

    data.yaml (path, train, val, test, names)   images/train/1.jpg   labels/train/1.txt        or, as Darknet has it,
    obj.data (train, valid, names)   obj.names   train.txt   obj_train_data/1.jpg   obj_train_data/1.txt

Without either, `images` and `labels` side by side, or text files beside images, with names in classes.txt. Lines with
more numbers are polygons, of which the bounds are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records, bounds_of
from zorki.data.formats.look import Look
from zorki.data.formats.yolo.layout import YoloLayout, entries, find_layout, sources_of
from zorki.errors import DataError
from zorki.input_files.content import text_lines
from zorki.input_files.numbers import MOST_SIDE, number_of
from zorki.types import Defect

WANTED = "data.yaml or obj.data with names and splits, or text files of labels in `labels` or beside the images"

_MOST = 2.0  # shares above it are pixels, written by a tool that does not know the format


def look(root: Path) -> Look:
    """Whether `root` is of this format, and why or why not; broken settings may be meant, or be of something else."""
    try:
        found = find_layout(root)
    except DataError as error:
        broken = error
        return Look.no(str(error), lambda: broken)
    return Look.no(found) if isinstance(found, str) else Look.yes(found.reason)


def read(root: Path, images: Path | None = None) -> Records:
    """What the files say, as they say it; `images` is where the images lie, if not where the format has them.

    Raises:
        DataError: there is no such file or folder, or the settings are broken.
    """
    layout = find_layout(root)
    if isinstance(layout, str):
        raise DataError(f"{root}: {layout}; wanted {WANTED}")
    folders = [layout.base / "images", layout.base]
    records = Records(root, "yolo", layout.reason, [], folders, relative=True, defects=list(layout.defects))
    bare: list[Path] = []
    places: dict[Path, tuple[int, str]] = {}  # of each image: its place, and the split that has it first
    for split, source in sources_of(layout):
        members = records.given.setdefault(split, []) if split else []
        for entry in entries(layout, source):
            before = places.get(entry.image) if entry.image is not None else None
            if before is not None and before[1] != split:  # as where train and val are one folder
                members.append(before[0])
                continue
            image = ImageRecord(entry.name, entry.labels or entry.image or source, path=entry.image)
            if entry.labels is not None:
                _read_labels(entry.labels, layout, image, records)
            elif entry.image is not None:
                bare.append(entry.image)
            if entry.image is not None:
                places.setdefault(entry.image, (len(records.images), split))
            members.append(len(records.images))
            records.images.append(image)
    if bare:
        records.defects.append(_background(bare, len(records.images)))
    numbers = {int(thing.class_name) for image in records.images for thing in image.objects} if not layout.names \
        else set()  # fmt: skip
    records.class_names = list(dict.fromkeys(layout.names.values())) or [str(number) for number in sorted(numbers)]
    return records


def _background(bare: Sequence[Path], count: int) -> Defect:
    """The note that some images have no file of labels, which may be meant or forgotten."""
    some = "1 image has" if len(bare) == 1 else f"{len(bare)} of {count} images have"
    return Defect(bare[0].parent, f"{some} no file of labels, {bare[0].name} first; taken as background", note=True)


def _read_labels(path: Path, layout: YoloLayout, image: ImageRecord, records: Records) -> None:
    try:
        lines = list(text_lines(path))
    except DataError as error:
        records.defects.append(Defect(path, f"{str(error).removeprefix(f'{path}: ')}; the labels were left out"))
        return
    for line, text in lines:
        if not (cells := text.split()):
            continue
        thing = _object(cells, layout, line)
        if isinstance(thing, str):
            records.defects.append(Defect(path, f"{thing}; the line was left out", line))
        else:
            image.objects.append(thing)


def _object(cells: Sequence[str], layout: YoloLayout, line: int) -> ObjectRecord | str:
    """The object of a line, or what is wrong with it."""
    if len(cells) < 5:
        return f"expected a class and four numbers, and got {len(cells)} words"
    number = number_of(cells[0])
    if not number.is_integer() or not 0 <= number < MOST_SIDE:
        return f"expected the number of a class first, and got {cells[0]!r}"
    if layout.names and int(number) not in layout.names:
        return f"class {int(number)} has no name; the {len(layout.names)} names run to {max(layout.names)}"
    values = [number_of(cell) for cell in cells[1:]]
    if any(abs(value) > _MOST for value in values):
        return f"expected shares of the image, 0 to 1, and got {max(values, key=abs):g}: pixels are no shares"
    name = layout.names.get(int(number), str(int(number)))
    if (
        len(values) in (4, 5) or len(values) == 4 + layout.keypoint_numbers
    ):  # a fifth is the score of a detector, or the number of a track
        x, y, width, height = values[:4]
        return ObjectRecord(name, (x - width / 2, y - height / 2, x + width / 2, y + height / 2), line=line)
    if len(values) % 2:
        return f"expected pairs of x and y after the class, and got {len(values)} numbers"
    return ObjectRecord(name, bounds_of(values), line=line, segments=[values])
