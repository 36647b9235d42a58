"""GOT-10k's sequences, with the frames in which the object is absent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zorki.data.annotations.listing import is_image, loose_files
from zorki.data.annotations.tracks.layout import (
    AnnotatedObject,
    add_sequences,
    boxes_of,
    frame_files,
    number_rows,
    sequence_folders,
)
from zorki.data.annotations.tracks.records import TrackRecords
from zorki.data.formats.probe import Probe
from zorki.errors import DataError

EXPECTED = "folders with 00000001.jpg, ... and groundtruth.txt of four numbers a line"


def probe(root: Path) -> Probe:
    first = next(sequence_folders(root, _is_sequence), None)
    if first is None:
        return Probe.no("no folder holds images beside a groundtruth.txt of four numbers a line")
    return Probe.yes(f"images beside groundtruth.txt in {first.name}")


def read(root: Path) -> TrackRecords:
    """The sequences; absence.label, or cover.label of 0, marks frames in which the object cannot be seen."""
    return add_sequences(TrackRecords(root, "got10k", probe(root).reason, []), _is_sequence, _object)


def _object(folder: Path) -> Iterator[AnnotatedObject]:
    path = folder / "groundtruth.txt"
    boxes = boxes_of(number_rows(path), origin=0)
    for name, hidden_from, hidden_to in (("absence.label", 1, np.inf), ("cover.label", -np.inf, 0)):
        if (folder / name).is_file() and len(boxes) > 1:
            marks = np.array([row[0] for row in number_rows(folder / name, (1,))])[: len(boxes)]
            hidden = (marks >= hidden_from) & (marks <= hidden_to)
            boxes[1 : len(marks)][hidden[1:]] = np.nan
    yield AnnotatedObject(path, boxes, frame_files(folder))


def _is_sequence(folder: Path) -> bool:
    path = folder / "groundtruth.txt"
    if not path.is_file() or not any(map(is_image, loose_files(folder))):
        return False
    try:
        number_rows(path)
    except DataError:
        return False
    return True
