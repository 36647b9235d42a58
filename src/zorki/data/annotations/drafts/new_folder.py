"""A new folder that is written whole or not at all, and what its images are called."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import Any

from zorki.contracts import Dataset
from zorki.data.annotations.listing import is_image, is_visible
from zorki.data.annotations.splits import ORDER
from zorki.data.images import write_image
from zorki.errors import DataError
from zorki.files import is_full_disk, unwritable

COPIERS = 8
"""Threads that copy images: they wait for the disk, not for the processor."""


def refuse_taken(out: Path) -> None:
    """Raises DataError where `out` is there and not an empty folder."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: this is there already, and nothing is overwritten; name a new folder")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to fill; what was written there becomes `out` at the end, or leaves no trace after an error.

    Raises:
        DataError: `out` is there and not empty.
        ZorkiError: the disk is full, or the folder cannot be written.
    """
    refuse_taken(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    except OSError as error:
        raise unwritable(out, error) from error
    try:
        yield aside
        aside.chmod(0o777 & ~_umask())
        with suppress(OSError):
            out.rmdir()  # an empty folder, which may be the only thing in the way
        os.rename(aside, out)
    except BaseException as error:
        shutil.rmtree(aside, ignore_errors=True)
        if isinstance(error, OSError) or is_full_disk(error):
            raise unwritable(out, error) from error
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def members_of(data: Dataset[Any]) -> tuple[dict[str, list[int]], int, int]:
    """Indices by split, each once, in its first; how many are in none, and how many were in several."""
    members: dict[str, list[int]] = {}
    seen: set[int] = set()
    twice = 0
    for split, indices in ((split, indices) for split, indices in data.splits.items() if indices):
        members[split] = [index for index in indices if index not in seen]
        twice += len(indices) - len(members[split])
        seen.update(indices)
    return members, len(data) - len(seen), twice


def split_folder(folder: Path, split: str, members: Mapping[str, Sequence[int]]) -> Path:
    """The split's folder; `folder` itself where the only split is called as none that readers know, such as "all"."""
    return folder if split not in ORDER and len(members) == 1 else folder / split


def unlike_names(given: Sequence[str]) -> list[str]:
    """A name for the file of every image: unlike any other without its suffix, in any case, since labels share that.

    An image keeps its file name where no other has it; else the folders above it are joined to it.

    Args:
        given: paths of the images with forward slashes, relative or absolute.
    """
    bare = [PurePosixPath(name).name for name in given]
    counts: dict[str, int] = {}
    for name in bare:
        counts[_stem(name)] = counts.get(_stem(name), 0) + 1
    names: list[str] = []
    numbers: dict[str, int] = {}  # the last that was given to each name, so that none is tried twice
    taken = {stem for stem, count in counts.items() if count == 1}
    for path, name in zip(given, bare, strict=True):
        if counts[_stem(name)] > 1:
            joined = "_".join(part for part in PurePosixPath(path).parts if part not in ("/", "..", "."))
            name, number = joined, numbers.get(joined, 1)
            while _stem(name) in taken:
                number += 1
                name = f"{PurePosixPath(joined).stem}_{number}{PurePosixPath(joined).suffix}"
            numbers[joined] = number
            taken.add(_stem(name))
        names.append(name if is_visible(name) else f"_{name}")  # readers pass over hidden files
    return names


def _stem(name: str) -> str:
    return PurePosixPath(name).stem.lower()


def file_name_of(data: Dataset[Any], index: int) -> str:
    """The image's path, relative to the data where it lies there; a PNG's where it is no image's file."""
    path = data.path(index)
    name = (path.relative_to(data.root) if path.is_relative_to(data.root) else path).as_posix()
    return name if is_own_file(path) else str(PurePosixPath(name).with_suffix(".png"))


def place_image(data: Dataset[Any], index: int, to: Path, how: str) -> None:
    """Puts an image to `to`: "copy", or "link"; one that is no file of its own, such as a scene, is written there."""
    path = data.path(index)
    if not is_own_file(path):
        write_image(to, data[index].image)
    elif how == "link":
        to.symlink_to(path.resolve())
    else:
        shutil.copyfile(path, to)


def is_own_file(path: Path) -> bool:
    """Whether an image is a file, which can be copied as it is; a scene and an embedded image are none."""
    return is_image(path.name) and path.is_file()
