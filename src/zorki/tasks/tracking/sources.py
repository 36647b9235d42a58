"""What a tracker learns from, wherever it lies: sequences, images with boxes, and folders of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset
from zorki.data import formats
from zorki.data.annotations.listing import subfolders
from zorki.data.annotations.tracks.dataset import OBJECT
from zorki.data.annotations.tracks.stills import StillTracks
from zorki.data.formats.detect import detect
from zorki.data.formats.readers import read_boxes, read_tracks
from zorki.errors import DataError
from zorki.types import Defect, Sample, TrackedBoxes


def read_any(
    root: Path, format: str | None, max_pixels: int | None, selection: ClassSelection | None
) -> Dataset[TrackedBoxes]:
    """The sequences at `root`; else its images with boxes; else those of the folders in it, as one dataset.

    Raises:
        DataError: nothing of it is there; of what was tried for sequences.
    """
    kind = _kind(root, format)
    if kind == "tracks":
        if selection:
            raise DataError(f"{root}: sequences have no classes; class_map and only_classes are for images with boxes")
        return read_tracks(root, format, max_pixels=max_pixels)
    if kind == "boxes":
        return StillTracks(read_boxes(root, format, max_pixels=max_pixels, selection=selection))
    parts = [root / name for name in subfolders(root) if _kind(root / name, None) is not None] if root.is_dir() else []
    if format is not None or not parts:
        return read_tracks(root, format, max_pixels=max_pixels)  # which says what is wrong
    return JoinedTracks(root, [read_any(part, None, max_pixels, selection) for part in parts])


def _kind(root: Path, format: str | None) -> str | None:
    if format is not None:
        word = formats.resolve(format, "tracks", "boxes")
        return "tracks" if word.format in formats.names("tracks") else "boxes"
    match = next(detect(root).matches("tracks", "boxes"), None) if root.exists() else None
    return None if match is None else match.kind


class JoinedTracks(Dataset[TrackedBoxes]):
    """Several datasets as one: the splits of each are joined."""

    def __init__(self, root: Path, parts: Sequence[Dataset[TrackedBoxes]]) -> None:
        self.root, self.format = root, "+".join(dict.fromkeys(part.format for part in parts))
        self.parts = parts
        self.reason = f"{len(parts)} folders: {', '.join(part.root.name for part in parts)}"
        self.class_names = [OBJECT]
        self.defects = [defect for part in parts for defect in part.defects]
        self._starts: list[int] = []
        self.splits = {}
        count = 0
        for part in parts:
            self._starts.append(count)
            for split, indices in part.splits.items():
                self.splits.setdefault(split, []).extend(count + index for index in indices)
            count += len(part)
        self._count = count
        self.split_reason = "; ".join(f"{part.root.name}: {part.split_reason}" for part in parts)

    def __len__(self) -> int:
        return self._count

    def _place(self, index: int) -> tuple[Dataset[TrackedBoxes], int]:
        if not 0 <= index < self._count:
            raise IndexError(f"index {index} of {self._count} samples")
        part = max(place for place, start in enumerate(self._starts) if start <= index)
        return self.parts[part], index - self._starts[part]

    def __getitem__(self, index: int) -> Sample[TrackedBoxes]:
        part, place = self._place(index)
        return part[place]

    def target(self, index: int) -> TrackedBoxes:
        part, place = self._place(index)
        return part.target(place)

    def path(self, index: int) -> Path:
        part, place = self._place(index)
        return part.path(place)

    def check(self, index: int) -> Defect | None:
        part, place = self._place(index)
        return part.check(place)

    def mark(self, index: int) -> str:
        part, place = self._place(index)
        return part.mark(place)
