"""OTB's sequences, some of which are annotated from or up to a frame of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zorki.data.annotations.listing import loose_files
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
    return add_sequences(TrackRecords(root, "otb", probe(root).reason, [], split="test"), _is_sequence, _objects)


def _objects(folder: Path) -> Iterator[AnnotatedObject]:
    images = frame_files(folder / "img")[FIRST_FRAMES.get(folder.name.lower(), 1) - 1 :]
    for file in _annotations(folder):
        suffix = file.removeprefix("groundtruth_rect").removesuffix(".txt").replace(".", "-")
        yield AnnotatedObject(folder / file, boxes_of(number_rows(folder / file), origin=1), images, suffix)


def _is_sequence(folder: Path) -> bool:
    return (folder / "img").is_dir() and bool(_annotations(folder))


def _annotations(folder: Path) -> list[str]:
    """groundtruth_rect.txt, or groundtruth_rect.1.txt and .2.txt."""
    return [name for name in loose_files(folder) if name.startswith("groundtruth_rect") and name.endswith(".txt")]
