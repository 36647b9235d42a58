"""Formats with one annotation file for many images: such a file, or a folder with one for each split."""

from __future__ import annotations

from collections.abc import Callable
from os.path import isfile  # unlike Path's, takes a name that is too long for none
from pathlib import Path

from zorki.data.annotations.listing import loose_files, subfolders
from zorki.data.annotations.outside import leads_out
from zorki.data.annotations.records import Records
from zorki.data.annotations.split_words import by_split, split_in
from zorki.types import Defect

SplitFiles = tuple[dict[Path, str | None], list[Path]]
"""The files with their splits, and those that are passed over."""


def find_split_files(root: Path, is_ours: Callable[[Path], bool], *, other: str, nothing: str) -> SplitFiles | str:
    """The files of a format in a folder, or else in the folders of it; or why there are none.

    Splits are told by the names of files or folders, see `by_split`.

    Args:
        is_ours: whether a file is of the format.
        other: what to say of a file that is not.
        nothing: what to say of a folder without any.
    """
    if root.is_file():
        return ({root: split_in(root.stem)}, []) if is_ours(root) else other
    if not root.is_dir():
        return "it is neither a file nor a folder"
    files = {path: split_in(path.stem) for path in _files(root, is_ours)}
    if not files:
        for name in subfolders(root):
            files |= {path: split_in(name) or split_in(path.stem) for path in _files(root / name, is_ours)}
    if not files:
        return nothing
    chosen, others, wrong = by_split(files)
    return wrong or (chosen, others)


def image_folders(root: Path, found: SplitFiles) -> list[Path]:
    """Where the images of such files are looked for: beside each, in "images" beside it, and at the root."""
    base = root if root.is_dir() else root.parent
    return [*(folder for path in found[0] for folder in (path.parent, path.parent / "images")), base / "images", base]


def read_split_files(
    records: Records, found: SplitFiles, read_file: Callable[[Path, Records], None], *, beside: bool
) -> Records:
    """The records with what `read_file` adds of each file, and the splits that their names tell.

    Args:
        beside: an image is first looked for beside its file: names may be the same in train and in val.
    """
    records.defects += [Defect(path, "left out: its name tells no split, and others' do") for path in found[1]]
    for path, split in found[0].items():
        first = len(records.images)
        read_file(path, records)
        for image in records.images[first:] if beside else ():
            near = path.parent / image.name
            there = bool(image.name) and not leads_out(path.parent, image.name) and isfile(near)
            image.path = near if there else None
        if split is not None:
            records.given.setdefault(split, []).extend(range(first, len(records.images)))
    return records


def _files(folder: Path, is_ours: Callable[[Path], bool]) -> list[Path]:
    return [folder / name for name in loose_files(folder) if is_ours(folder / name)]
