"""YOLO's text files: a line `class x y width height` for each box, center and size in shares of the image.

    data.yaml (path, train, val, test, names)   images/train/1.jpg   labels/train/1.txt        or, as Darknet has it,
    obj.data (train, valid, names)   obj.names   train.txt   obj_train_data/1.jpg   obj_train_data/1.txt

Without either, `images` and `labels` side by side, or text files beside images, with names in classes.txt. Lines with
more numbers are polygons, of which detection takes the bounds, or boxes with keypoints (Ultralytics' pose), where
kpt_shape says so or the third value of each point is 0, 1 or 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records, bounds_of
from zorki.data.formats.probe import Probe
from zorki.data.formats.yolo.layout import YoloLayout, entries, find_layout, is_class, sources_of
from zorki.errors import DataError
from zorki.input_files.content import text_lines
from zorki.input_files.numbers import number_of
from zorki.types import Defect

EXPECTED = "data.yaml or obj.data with names and splits, or text files of labels in `labels` or beside the images"

_MAX_SHARE = 2.0  # shares above it are pixels, written by a tool that does not know the format


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not; broken settings may be meant, or be of something else."""
    try:
        found = find_layout(root)
    except DataError as error:
        broken = error
        return Probe.no(str(error), lambda: broken)
    return Probe.no(found) if isinstance(found, str) else Probe.yes(found.reason)


def read(root: Path, images: Path | None = None) -> Records:
    """What the files say, as they say it; `images` is where the images lie, if not where the format has them.

    Raises:
        DataError: there is no such file or folder, or the settings are broken.
    """
    layout = find_layout(root)
    if isinstance(layout, str):
        raise DataError(f"{root}: {layout}; expected {EXPECTED}")
    return read_layout(root, layout)


def read_layout(root: Path, layout: YoloLayout, *, joints: bool = False) -> Records:
    """What the files of a layout say; with `joints` of key points, too."""
    folders = [layout.base / "images", layout.base]
    records = Records(root, "yolo", layout.reason, [], folders, relative=True, defects=list(layout.defects))
    lines = _Lines(layout, joints)
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
                _read_labels(entry.labels, lines, image, records)
            elif entry.image is not None:
                records.unlabeled.append(len(records.images))
            if entry.image is not None:
                places.setdefault(entry.image, (len(records.images), split))
            members.append(len(records.images))
            records.images.append(image)
    records.defects += lines.notes(root)
    numbers = {int(thing.class_name) for image in records.images for thing in image.objects} if not layout.names \
        else set()  # fmt: skip
    records.class_names = list(dict.fromkeys(layout.names.values())) or [str(number) for number in sorted(numbers)]
    return records


@dataclass
class _Lines:
    """Lines of labels as objects, and what they turned out to be."""

    layout: YoloLayout
    joints: bool = False  # key points are read
    objects: int = 0
    with_keypoints: int = 0
    outlines: int = 0
    lengths: set[int] = field(default_factory=set)  # numbers of the lines of outlines
    like_keypoints: bool = True  # all outlines could be boxes with points inside

    def object(self, cells: Sequence[str], line: int) -> ObjectRecord | str:
        """The object of a line, or what is wrong with it."""
        if len(cells) < 5:
            return f"expected a class and four numbers, and got {len(cells)} words"
        if not is_class(cells[0]):
            return f"expected the number of a class first, and got {cells[0]!r}"
        number, names = int(number_of(cells[0])), self.layout.names
        if names and number not in names:
            return f"class {number} has no name; the {len(names)} names run to {max(names)}"
        values = [number_of(cell) for cell in cells[1:]]
        if any(abs(value) > _MAX_SHARE for value in values):
            return f"expected shares of the image, 0 to 1, and got {max(values, key=abs):g}: pixels are no shares"
        name = names.get(number, str(number))
        keypoints = len(values) > 5 and (len(values) == 4 + self.layout.keypoint_numbers or _has_visibilities(values))
        if not keypoints and len(values) > 5 and len(values) % 2:
            return f"expected pairs of x and y after the class, and got {len(values)} numbers"
        self.objects += 1
        self.with_keypoints += keypoints
        if self.joints:
            if len(values) != 4 + self.layout.keypoint_numbers:
                expected = 4 + self.layout.keypoint_numbers
                return f"expected {expected} numbers after the class, by kpt_shape, and got {len(values)}"
            return ObjectRecord(name, _corners(values), line=line, joints=self._joints(values[4:]))
        if keypoints or len(values) < 6:  # a fifth is the score of a detector, or the number of a track
            return ObjectRecord(name, _corners(values), line=line)
        self.outlines += 1
        self.lengths.add(len(values))
        self.like_keypoints = self.like_keypoints and _holds_points(values)
        return ObjectRecord(name, bounds_of(values), line=line, segments=[values])

    def _joints(self, values: Sequence[float]) -> list[tuple[float, float, float]]:
        """Key points; of two values each, one at (0, 0) is not labeled."""
        step = self.layout.keypoint_values
        points = [tuple(values[place : place + step]) for place in range(0, len(values), step)]
        return [(p[0], p[1], p[2] if step == 3 else 2.0 * any(p)) for p in points]

    def notes(self, root: Path) -> list[Defect]:
        """What to say of lines that hold more than boxes."""
        reasons = []
        if self.with_keypoints and not self.joints:
            reasons.append(
                f"{self.with_keypoints} of {self.objects} lines hold keypoints behind their box: the box is taken, and "
                "the keypoints are passed over"
            )
        if self.outlines:
            reasons.append(
                f"{self.outlines} of {self.objects} lines are outlines: masks for instance segmentation, and for "
                "detection the box around each"
            )
        if self.outlines > 1 and len(self.lengths) == 1 and min(self.lengths) > 8 and self.like_keypoints:
            count = min(self.lengths)
            reasons.append(
                f"all outlines have {count} numbers, and could be boxes with {(count - 4) // 2} keypoints each; if so, "
                f"say kpt_shape: [{(count - 4) // 2}, 2] in data.yaml"
            )
        return [Defect(root, reason, note=True) for reason in reasons]


def _corners(values: Sequence[float]) -> tuple[float, float, float, float]:
    x, y, width, height = values[:4]
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _has_visibilities(values: Sequence[float]) -> bool:
    """Whether a line is a box with keypoints of three values, the third of each 0, 1 or 2, as Ultralytics has them."""
    return (len(values) - 4) % 3 == 0 and set(values[6::3]) <= {0.0, 1.0, 2.0} and _is_inside(_corners(values))


def _holds_points(values: Sequence[float]) -> bool:
    """Whether the first four numbers are a box with all other points, those at (0, 0) left out, inside."""
    left, top, right, bottom = _corners(values)
    points = [point for point in zip(values[4::2], values[5::2], strict=True) if point != (0, 0)]
    inside = all(left <= x <= right and top <= y <= bottom for x, y in points)
    return inside and _is_inside((left, top, right, bottom))


def _is_inside(corners: Sequence[float], margin: float = 0.01) -> bool:
    """Whether corners are those of a box with an area, inside of the image but for rounding."""
    left, top, right, bottom = corners
    return -margin <= left < right <= 1 + margin and -margin <= top < bottom <= 1 + margin


def _read_labels(path: Path, parser: _Lines, image: ImageRecord, records: Records) -> None:
    try:
        lines = list(text_lines(path))
    except DataError as error:
        records.defects.append(Defect(path, f"{str(error).removeprefix(f'{path}: ')}; the labels were left out"))
        return
    for line, text in lines:
        if not (cells := text.split()):
            continue
        thing = parser.object(cells, line)
        if isinstance(thing, str):
            records.defects.append(Defect(path, f"{thing}; the line was left out", line))
        else:
            image.objects.append(thing)
