"""MOT's sequences: each object of each is one track."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zorki.data.annotations.tracks.dataset import TrackRecord
from zorki.data.annotations.tracks.layout import boxes_of, frame_files, number_rows, sequence_folders, split_of
from zorki.data.annotations.tracks.records import TrackRecords
from zorki.data.formats.probe import Probe
from zorki.types import Defect

EXPECTED = "folders with img1/000001.jpg, ... and gt/gt.txt of frame,id,x,y,width,height,..."

MIN_FRAMES = 2
"""Of an object that can be tracked."""


def probe(root: Path) -> Probe:
    first = next(sequence_folders(root, _is_sequence), None)
    if first is None:
        return Probe.no("no folder holds img1 and gt/gt.txt")
    return Probe.yes(f"img1 and gt/gt.txt in {first.name}")


def read(root: Path) -> TrackRecords:
    """The objects that count, from the first to the last frame that shows them: rows of confidence 0 count nowhere."""
    records = TrackRecords(root, "mot", probe(root).reason, [])
    for folder in sequence_folders(root, _is_sequence):
        path = folder / "gt" / "gt.txt"
        frames = frame_files(folder / "img1")
        rows: dict[int, dict[int, list[float]]] = {}
        for row in number_rows(path, (6, 7, 8, 9, 10)):
            if len(row) < 7 or row[6] > 0:
                rows.setdefault(int(row[1]), {})[int(row[0]) - 1] = row[2:6]
        for identity, boxes in sorted(rows.items()):
            places = [place for place in sorted(boxes) if 0 <= place < len(frames)]
            if len(places) >= MIN_FRAMES:
                records.tracks.append(_track(folder, identity, frames, boxes, places, split_of(root, folder)))
        if not rows:
            records.defects.append(Defect(path, "no row counts; the sequence was left out"))
    return records


def _track(
    folder: Path, identity: int, frames: list[Path], boxes: dict[int, list[float]], places: list[int], split: str
) -> TrackRecord:
    first, last = places[0], places[-1]
    track = np.full((last - first + 1, 4), np.nan)
    track[[place - first for place in places]] = boxes_of([boxes[place] for place in places], origin=1)
    return TrackRecord(f"{folder.name}-{identity}", folder, frames[first : last + 1], track, split)


def _is_sequence(folder: Path) -> bool:
    return (folder / "img1").is_dir() and (folder / "gt" / "gt.txt").is_file()
