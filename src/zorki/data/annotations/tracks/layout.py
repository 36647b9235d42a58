"""Sequences as benchmarks lay them out: a folder with images, and boxes in a file of numbers, a line a frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zorki.data.annotations.listing import is_image, loose_files, subfolders
from zorki.data.annotations.splits import split_name
from zorki.data.annotations.tracks.dataset import TrackRecord
from zorki.data.annotations.tracks.records import TrackRecords
from zorki.errors import DataError
from zorki.input_files.content import text_lines
from zorki.input_files.numbers import number_in
from zorki.types import Defect

Array = np.ndarray[Any, np.dtype[Any]]

MAX_DEPTH = 3
"""Folders between the data's and a sequence's, such as train/car/car-1."""


class AnnotatedObject(NamedTuple):
    """One object of a sequence, as its files say.

    Attributes:
        path: of the boxes, for what is wrong with them.
        boxes: (T, 4), xyxy; see `boxes_of`.
        frames: the images of the sequence, or those of them to which the boxes belong.
        suffix: behind the sequence's name, where it has several objects.
        split: as lists beside the sequences say, where the names of folders say nothing.
    """

    path: Path
    boxes: Array
    frames: list[Path]
    suffix: str = ""
    split: str = ""


def add_sequences(
    records: TrackRecords, is_sequence: Callable[[Path], bool], objects: Callable[[Path], Iterable[AnnotatedObject]]
) -> TrackRecords:
    """The records, with the objects that `objects` reads in each sequence below their root; see `fitted`."""
    for folder in sequence_folders(records.root, is_sequence):
        for one in objects(folder):
            found = fitted(one.frames, one.boxes, one.path, records.defects)
            if found is not None:
                split = split_of(records.root, folder) or one.split
                records.tracks.append(TrackRecord(folder.name + one.suffix, folder, *found, split))
    return records


def sequence_folders(root: Path, is_sequence: Callable[[Path], bool], depth: int = MAX_DEPTH) -> Iterator[Path]:
    """The sequences at or below a folder, in order; what lies in a sequence is none."""
    if not root.is_dir():
        return
    if is_sequence(root):
        yield root
    elif depth:
        for name in subfolders(root):
            yield from sequence_folders(root / name, is_sequence, depth - 1)


def frame_files(folder: Path) -> list[Path]:
    """The images that lie in a folder, by the numbers of their names: 2.jpg comes before 10.jpg."""
    return [folder / name for name in sorted(filter(is_image, loose_files(folder)), key=_numbers)]


def _numbers(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() and len(part) < 18 else (-1, part) for part in re.split(r"(\d+)", name)]


def split_of(root: Path, folder: Path) -> str:
    """The nearest folder above a sequence whose name is a split's; empty: none is."""
    above = folder.relative_to(root).parts[:-1] if folder != root else ()
    return next((word for word in reversed((root.name, *above)) if split_name(word)), "")


def number_rows(path: Path, counts: tuple[int, ...] = (4,)) -> list[list[float]]:
    """The numbers of each line that is not blank, parted by commas, semicolons, tabs or spaces.

    Args:
        counts: how many numbers a line may have.

    Raises:
        DataError: a line has another count, or what is no number; with file and line.
    """
    rows = []
    for number, line in text_lines(path):
        words = [word for word in re.split(r"[,;\s]+", line.strip()) if word]
        if not words:
            continue
        values = [number_in(word) for word in words]
        if len(values) not in counts or any(
            value != value and word.lower() != "nan" for value, word in zip(values, words, strict=True)
        ):
            expected = " or ".join(map(str, counts))
            raise DataError(
                f"{path}:{number}: expected {expected} numbers, such as x,y,width,height; got {line.strip()!r:.80}"
            )
        rows.append(values)
    return rows


def boxes_of(rows: list[list[float]], *, origin: float) -> Array:
    """Boxes (N, 4), xyxy, of x, y, width, height whose first pixel is `origin`; NaN where there is none.

    There is none where a side is 0 or below, or what is no number.

    A polygon of four corners becomes the upright box about its middle with its own area, as of VOT's toolkits: the
    box around the corners would hold twice as much where the polygon lies on its edge.
    """
    boxes = np.full((len(rows), 4), np.nan)
    for place, row in enumerate(rows):
        x, y, width, height = _upright(row) if len(row) == 8 else row
        if width > 0 and height > 0 and x == x and y == y:
            boxes[place] = (x - origin, y - origin, x - origin + width, y - origin + height)
    return boxes


def _upright(corners: list[float]) -> tuple[float, float, float, float]:
    """x, y, width and height."""
    points = np.array(corners).reshape(4, 2)
    low, high = points.min(0), points.max(0)
    area = float(np.linalg.norm(points[0] - points[1]) * np.linalg.norm(points[1] - points[2]))
    hull = float(np.prod(high - low))
    scale = np.sqrt(area / hull) if hull > 0 else 0.0
    width, height = (high - low) * scale
    x, y = points.mean(0)
    return float(x - width / 2), float(y - height / 2), float(width), float(height)


def fitted(frames: list[Path], boxes: Array, path: Path, defects: list[Defect]) -> tuple[list[Path], Array] | None:
    """As many frames as boxes, the first ones; None, and a defect, where there is none, or no box in the first frame.

    A file of one line, as of GOT-10k's test, tells the first box alone.
    """
    if not frames or not len(boxes) or not np.isfinite(boxes[0]).all():
        why = "has no image" if not frames else "has no box in its first frame"
        defects.append(Defect(path, f"the sequence {why}; left out"))
        return None
    if len(boxes) == 1 < len(frames):
        boxes = np.concatenate([boxes, np.full((len(frames) - 1, 4), np.nan)])
    count = min(len(frames), len(boxes))
    if len(frames) != len(boxes):
        defects.append(
            Defect(path, f"{len(boxes)} boxes and {len(frames)} images: the first {count} are taken", note=True)
        )
    return frames[:count], boxes[:count]
