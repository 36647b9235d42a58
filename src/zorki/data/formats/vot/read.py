"""VOT's sequences, whose objects are polygons of four corners, or boxes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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

EXPECTED = "folders with color/00000001.jpg, ... (or the images themselves) and groundtruth.txt of polygons or boxes"


def probe(root: Path) -> Probe:
    first = next(sequence_folders(root, _is_sequence), None)
    if first is None:
        return Probe.no("no folder holds color and groundtruth.txt, or images beside a groundtruth.txt of polygons")
    return Probe.yes(f"color, or polygons in groundtruth.txt, in {first.name}")


def read(root: Path) -> TrackRecords:
    """The sequences. Masks, as of VOT from 2020 on, are refused: their boxes are another annotation."""
    return add_sequences(TrackRecords(root, "vot", probe(root).reason, [], split="test"), _is_sequence, _object)


def _object(folder: Path) -> Iterator[AnnotatedObject]:
    path = folder / "groundtruth.txt"
    yield AnnotatedObject(path, boxes_of(number_rows(path, (4, 8)), origin=0), frame_files(_images(folder)))


def _images(folder: Path) -> Path:
    return folder / "color" if (folder / "color").is_dir() else folder


def _is_sequence(folder: Path) -> bool:
    path = folder / "groundtruth.txt"
    if not path.is_file():
        return False
    if (folder / "color").is_dir():
        return True
    try:
        return any(map(is_image, loose_files(folder))) and any(len(row) == 8 for row in number_rows(path, (4, 8)))
    except DataError:
        return False
