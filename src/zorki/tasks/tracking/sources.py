"""What a tracker learns from, wherever it lies: sequences, images with boxes, and folders of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset
from zorki.data import formats
from zorki.data.annotations.listing import loose_files, subfolders
from zorki.data.annotations.splits import split_name
from zorki.data.annotations.tracks.dataset import OBJECT
from zorki.data.annotations.tracks.stills import StillTracks
from zorki.data.formats.detect import detect
from zorki.data.formats.readers import read_boxes, read_tracks
from zorki.errors import DataError
from zorki.types import Defect, Sample, TrackedBoxes


def read_any(
    root: Path, format: str | None, max_pixels: int | None, selection: ClassSelection | None
) -> Dataset[TrackedBoxes]:
    """The sequences at `root`, or its images with boxes; or those of several datasets in it, as one.

    Raises:
        DataError: nothing of it is there, or classes are to be selected among sequences.
    """
    parts = _parts(root) if format is None else []
    if parts:
        return JoinedTracks(root, [read_any(part, None, max_pixels, selection) for part in parts])
    if _kind(root, format) == "boxes":
        return StillTracks(read_boxes(root, format, max_pixels=max_pixels, selection=selection))
    if selection:
        raise DataError(f"{root}: sequences have no classes; class_map and only_classes are for images with boxes")
    return read_tracks(root, format, max_pixels=max_pixels)


def _parts(root: Path) -> list[Path]:
    """The datasets that lie in a folder side by side: two at least, one of them of images with boxes.

    Folders of sequences alone, and those of splits, are one dataset.
    """
    if not root.is_dir() or loose_files(root):
        return []
    kinds = {name: _kind(root / name, None) for name in subfolders(root) if split_name(name) is None}
    found = [root / name for name, kind in kinds.items() if kind is not None]
    return found if len(found) > 1 and "boxes" in kinds.values() else []


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
