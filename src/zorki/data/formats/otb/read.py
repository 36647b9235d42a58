"""OTB's sequences, some of which are annotated from or up to a frame of their own."""

from __future__ import annotations

from pathlib import Path

from zorki.data.annotations.listing import loose_files
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

EXPECTED = "folders with img/0001.jpg, ... and groundtruth_rect.txt"

FIRST_FRAMES = {"david": 300, "blurcar1": 247, "blurcar3": 3, "blurcar4": 18}
"""Number of the first annotated image, where it is not 1, as the benchmark's authors list them."""


def probe(root: Path) -> Probe:
    first = next(sequence_folders(root, _is_sequence), None)
    if first is None:
        return Probe.no("no folder holds img and groundtruth_rect.txt")
    return Probe.yes(f"img and groundtruth_rect.txt in {first.name}")


def read(root: Path) -> TrackRecords:
    """The sequences; of two objects, as in Jogging, one each."""
    records = TrackRecords(root, "otb", probe(root).reason, [], split="test")
    for folder in sequence_folders(root, _is_sequence):
        images = frame_files(folder / "img")
        start = FIRST_FRAMES.get(folder.name.lower(), 1) - 1
        for file in _annotations(folder):
            boxes = boxes_of(number_rows(folder / file), origin=1)
            found = fitted(images[start:], boxes, folder / file, records.defects)
            if found is not None:
                suffix = file.removeprefix("groundtruth_rect").removesuffix(".txt").replace(".", "-")
                records.tracks.append(TrackRecord(folder.name + suffix, folder, *found, split_of(root, folder)))
    return records


def _is_sequence(folder: Path) -> bool:
    return (folder / "img").is_dir() and bool(_annotations(folder))


def _annotations(folder: Path) -> list[str]:
    """groundtruth_rect.txt, or groundtruth_rect.1.txt and .2.txt."""
    return [name for name in loose_files(folder) if name.startswith("groundtruth_rect") and name.endswith(".txt")]
