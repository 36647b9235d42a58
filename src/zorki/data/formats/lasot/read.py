"""LaSOT's sequences, with the frames in which the object is hidden or out of view."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zorki.data.annotations.tracks.dataset import TrackRecord
from zorki.data.annotations.tracks.layout import (
    boxes_of,
    fitted,
    frame_files,
    number_rows,
    sequence_folders,
    split_of,
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
    records = TrackRecords(root, "lasot", probe(root).reason, [])
    listed = root / "testing_set.txt"
    tests = {line.strip() for _, line in text_lines(listed)} if listed.is_file() else set()
    for folder in sequence_folders(root, _is_sequence):
        path = folder / "groundtruth.txt"
        boxes = boxes_of(number_rows(path), origin=1)
        for name in ("full_occlusion.txt", "out_of_view.txt"):
            hidden = _flags(folder / name)[: len(boxes)]
            boxes[1:][hidden[1 : len(boxes)]] = np.nan  # the first frame tells what is tracked, whatever it shows
        found = fitted(frame_files(folder / "img"), boxes, path, records.defects)
        if found is not None:
            split = split_of(root, folder) or (("test" if folder.name in tests else "train") if tests else "")
            records.tracks.append(TrackRecord(folder.name, folder, *found, split))
    return records


def _flags(path: Path) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which frames are marked by a 1, in one line or a line each; none where there is no file."""
    if not path.is_file():
        return np.zeros(0, dtype=bool)
    words = " ".join(line for _, line in text_lines(path)).replace(",", " ").split()
    return np.array([number_in(word) > 0 for word in words], dtype=bool)


def _is_sequence(folder: Path) -> bool:
    return (folder / "img").is_dir() and (folder / "groundtruth.txt").is_file()
