"""Where the image lies that an annotation names: as a path, by the end of a path, or by its bare name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

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
        self._by_name: dict[str, list[Path]] | None = None
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
        last = parts[-1]
        key = (os.path.splitext(last)[0] if is_image(last) else last).lower()
        found = self._index().get(key, [])
        if is_image(last):
            # Another suffix is another image, unless nothing else bears the name; among masks it is a mask.
            same = [path for path in found if path.name.lower() == last.lower()]
            found = same or [path for path in found if path.parent.name.lower() not in _MASK_FOLDERS]
        if len(found) < 2:
            return found[0] if found else None
        shared = [
            (_shared_end(parts[:-1], path.parts[:-1]), _shared_start(path.parent, near) if near else 0)
            for path in found
        ]
        best = max(shared)
        return found[shared.index(best)] if shared.count(best) == 1 else None

    def _index(self) -> dict[str, list[Path]]:
        """Images by their names without suffix, in small letters."""
        if self._by_name is None:
            self._by_name = {}
            seen: set[Path] = set()
            for folder in self.folders:
                for name in walk_files(folder):
                    path = folder / name
                    if is_image(name) and path not in seen:
                        seen.add(path)
                        self._by_name.setdefault(path.stem.lower(), []).append(path)
        return self._by_name


def _shared_start(a: Path, b: Path) -> int:
    """How many parts two paths share, from the left."""
    return next((place for place, (mine, other) in enumerate(zip(a.parts, b.parts, strict=False)) if mine != other),
                min(len(a.parts), len(b.parts)))  # fmt: skip


def _shared_end(a: Sequence[str], b: Sequence[str]) -> int:
    """How many parts two paths share, from the right."""
    count = 0
    for mine, other in zip(reversed(a), reversed(b), strict=False):
        if mine.lower() != other.lower():
            break
        count += 1
    return count
