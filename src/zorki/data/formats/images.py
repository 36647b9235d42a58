"""Bare images, of which nothing is known: one file, or all that lie in a folder and below it. For prediction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zorki.contracts import Dataset
from zorki.data.formats.files import BareFiles, holds_image, is_image, missing_root, no_images, walk_files
from zorki.data.images import EXTENSIONS, MAX_PIXELS
from zorki.errors import DataError
from zorki.types import Unlabeled

WANTED = "an image, or a folder with images in it or below it"


def recognize(root: Path) -> str | None:
    """Why `root` is an image or a folder of images, in words for a person; None where it is not."""
    if refusal(root) is not None:
        return None
    return "it is an image" if root.is_file() else "it is a folder with images"


def refusal(root: Path) -> str | None:
    """Why `root` is not of this format; None where it is."""
    if root.is_file():
        return None if is_image(root.name) else f"it is a file, and its name ends in none of {_suffixes()}"
    if not root.is_dir():
        return "it is neither a file nor a folder"
    return None if holds_image(root) else "no image is in it or below it"


def read(root: Path, *, class_names: Sequence[str] | None = None, max_pixels: int | None = None) -> Dataset[Unlabeled]:
    """The images, sorted by path; `class_names` are taken for likeness with other formats, and mean nothing.

    Raises:
        DataError: there is no such file or folder, or no image in it.
    """
    if (error := missing_root(root)) is not None:
        raise error
    reason = recognize(root)
    if reason is None:
        raise no_images(root) if root.is_dir() else DataError(f"{root}: {refusal(root)}")
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    if root.is_file():
        return BareFiles(root, root.parent, "images", reason, [root.name], [], limit)
    return BareFiles(root, root, "images", reason, [name for name in walk_files(root) if is_image(name)], [], limit)


def _suffixes() -> str:
    return ", ".join(sorted(EXTENSIONS))
