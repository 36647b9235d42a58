"""Where the image lies that an annotation names: as a path, by the end of a path, or by its bare name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zorki.data.annotations.listing import is_image, walk_files
from zorki.data.annotations.outside import leads_out

_MASK_FOLDERS = frozenset({
    "masks", "mask", "trimaps", "trimap", "segmentations", "segmentation", "segmentationclass", "segmentationobject",
    "gt", "groundtruth", "ground_truth",
})  # fmt: skip


class ImageFinder:
    """Looks for images in folders and below them; the folders are walked once, when a name is not found at once.

    Args:
        folders: best first; those that are not there are passed over.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = [folder for folder in dict.fromkeys(folders) if folder.is_dir()]
        self._images: dict[str, list[Path]] | None = None
        self._namesakes: dict[tuple[str, bool], _Namesakes] = {}
        self._nearest: dict[Path, list[Path]] = {}

    def find(self, name: str, near: Path | None = None) -> Path | None:
        """The image of that name or path, of any known suffix where the name has none; None where none fits.

        What leads out (`leads_out`) is not followed.

        Parts that lead nowhere are dropped from the left, since many tools write paths of the computer they ran on
        ("C:\\photos\\1.jpg"). Of several images that fit, the one that shares most of the path is taken, then the
        one nearest to the folder `near`, since names may be the same in train and in val; none where two are as good.
        A file of another suffix in a folder that is called as masks are is none of them.
        """
        if not name:
            return None
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        if is_image(name):
            for folder in self._from(near):
                path = folder / name
                if not leads_out(folder, name) and os.path.isfile(path):  # which takes a name that is too long for none
                    return path
        return self._find_by_name(parts, near) if parts else None

    def all(self) -> list[Path]:
        """Every image in the folders, each once."""
        return list(dict.fromkeys(path for paths in self._index().values() for path in paths))

    def _from(self, near: Path | None) -> list[Path]:
        """The folders, nearest first."""
        if near is None:
            return self.folders
        if near not in self._nearest:
            self._nearest[near] = sorted(self.folders, key=lambda folder: -_shared_start(folder, near))
        return self._nearest[near]

    def _find_by_name(self, parts: list[str], near: Path | None) -> Path | None:
        last, named_whole = parts[-1].lower(), is_image(parts[-1])
        if (last, named_whole) not in self._namesakes:
            found = self._index().get(os.path.splitext(last)[0] if named_whole else last, [])
            if named_whole:
                # Another suffix is another image, unless nothing else bears the name; among masks it is a mask.
                same = [path for path in found if path.name.lower() == last]
                found = same or [path for path in found if path.parent.name.lower() not in _MASK_FOLDERS]
            self._namesakes[last, named_whole] = _Namesakes(found)
        return self._namesakes[last, named_whole].find(parts[:-1], near)

    def _index(self) -> dict[str, list[Path]]:
        """Images by their names without suffix, in small letters."""
        if self._images is None:
            self._images = {}
            seen: set[Path] = set()
            for folder in self.folders:
                for name in walk_files(folder):
                    path = folder / name
                    if is_image(name) and path not in seen:
                        seen.add(path)
                        self._images.setdefault(path.stem.lower(), []).append(path)
        return self._images


class _Namesakes:
    """Images of one name, by the ends and by the beginnings of their folders: thousands may be called the same."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._by_end: dict[tuple[str, ...], list[Path]] = {}
        for path in paths if len(paths) > 1 else ():
            parts = tuple(part.lower() for part in reversed(path.parts[:-1]))
            for length in range(len(parts) + 1):
                self._by_end.setdefault(parts[:length], []).append(path)
        self._by_start: dict[tuple[str, ...], dict[tuple[str, ...], list[Path]]] = {}

    def find(self, folders: Sequence[str], near: Path | None) -> Path | None:
        """The one that shares most of the folders' end, then most of the beginning of `near`; None where two do."""
        if len(self._paths) < 2:
            return self._paths[0] if self._paths else None
        end = _longest(tuple(folder.lower() for folder in reversed(folders)), self._by_end)
        found = self._by_end[end]
        if len(found) > 1 and near is not None:
            starts = self._starts(end)
            found = starts[_longest(near.parts, starts)]
        return found[0] if len(found) == 1 else None

    def _starts(self, end: tuple[str, ...]) -> dict[tuple[str, ...], list[Path]]:
        """Those whose folders end so, by every beginning of their folders."""
        if end not in self._by_start:
            self._by_start[end] = {}
            for path in self._by_end[end]:
                parts = path.parts[:-1]
                for length in range(len(parts) + 1):
                    self._by_start[end].setdefault(parts[:length], []).append(path)
        return self._by_start[end]


def _longest(parts: tuple[str, ...], entries: Mapping[tuple[str, ...], Any]) -> tuple[str, ...]:
    """The longest beginning of `parts` that is known; of none of them at least."""
    return next(parts[:length] for length in range(len(parts), -1, -1) if parts[:length] in entries)


def _shared_start(a: Path, b: Path) -> int:
    """How many parts two paths share, from the left."""
    return next((place for place, (mine, other) in enumerate(zip(a.parts, b.parts, strict=False)) if mine != other),
                min(len(a.parts), len(b.parts)))  # fmt: skip
