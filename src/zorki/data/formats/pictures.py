"""Bare pictures, of which nothing is known: one file, or all that lie in a folder and below it. For prediction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zorki.contracts import Dataset
from zorki.data.formats.files import BareFiles, holds_picture, is_picture, missing_root, no_pictures, walk_files
from zorki.data.images import EXTENSIONS, MAX_PIXELS
from zorki.errors import DataError
from zorki.types import Unlabelled

WANTED = "a picture, or a folder with pictures in it or below it"


def recognise(root: Path) -> str | None:
    """Why `root` is a picture or a folder of pictures, in words for a person; None where it is not."""
    if refusal(root) is not None:
        return None
    return "it is a picture" if root.is_file() else "it is a folder with pictures"


def refusal(root: Path) -> str | None:
    """Why `root` is not of this format; None where it is."""
    if root.is_file():
        return None if is_picture(root.name) else f"it is a file, and its name ends in none of {_suffixes()}"
    if not root.is_dir():
        return "it is neither a file nor a folder"
    return None if holds_picture(root) else "no picture is in it or below it"


def read(root: Path, *, class_names: Sequence[str] | None = None, max_pixels: int | None = None) -> Dataset[Unlabelled]:
    """The pictures, sorted by path; `class_names` are taken for likeness with other formats, and mean nothing.

    Raises:
        DataError: there is no such file or folder, or no picture in it.
    """
    if (error := missing_root(root)) is not None:
        raise error
    reason = recognise(root)
    if reason is None:
        raise no_pictures(root) if root.is_dir() else DataError(f"{root}: {refusal(root)}")
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    if root.is_file():
        return BareFiles(root, root.parent, "pictures", reason, [root.name], [], limit)
    return BareFiles(root, root, "pictures", reason, [name for name in walk_files(root) if is_picture(name)], [], limit)


def _suffixes() -> str:
    return ", ".join(sorted(EXTENSIONS))
