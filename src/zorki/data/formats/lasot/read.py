"""LaSOT's sequences, with the frames in which the object is hidden or out of view."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

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
from zorki.input_files.content import text_lines
from zorki.input_files.numbers import number_in

EXPECTED = "folders with img/00000001.jpg, ... and groundtruth.txt"


def probe(root: Path) -> Probe:
    first = next(sequence_folders(root, _is_sequence), None)
    if first is None:
        return Probe.no("no folder holds img and groundtruth.txt")
    return Probe.yes(f"img and groundtruth.txt in {first.name}")


def read(root: Path) -> TrackRecords:
    """The sequences; those that testing_set.txt names are the test split."""
    listed = root / "testing_set.txt"
    tests = {line.strip() for _, line in text_lines(listed)} if listed.is_file() else set()

    def objects(folder: Path) -> Iterator[AnnotatedObject]:
        split = ("test" if folder.name in tests else "train") if tests else ""
        yield AnnotatedObject(folder / "groundtruth.txt", _boxes(folder), frame_files(folder / "img"), split=split)

    return add_sequences(TrackRecords(root, "lasot", probe(root).reason, []), _is_sequence, objects)


def _boxes(folder: Path) -> np.ndarray[Any, np.dtype[Any]]:
    boxes = boxes_of(number_rows(folder / "groundtruth.txt"), origin=1)
    for name in ("full_occlusion.txt", "out_of_view.txt"):
        hidden = _flags(folder / name)[: len(boxes)]
        boxes[1:][hidden[1 : len(boxes)]] = np.nan  # the first frame tells what is tracked, whatever it shows
    return boxes


def _flags(path: Path) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which frames are marked by a 1, in one line or a line each; none where there is no file."""
    if not path.is_file():
        return np.zeros(0, dtype=bool)
    words = " ".join(line for _, line in text_lines(path)).replace(",", " ").split()
    return np.array([number_in(word) > 0 for word in words], dtype=bool)


def _is_sequence(folder: Path) -> bool:
    return (folder / "img").is_dir() and (folder / "groundtruth.txt").is_file()
