"""Visible files and folders in order, and which of them are images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from zorki.data.images import EXTENSIONS
from zorki.data.video.container import is_video
from zorki.errors import DataError, did_you_mean
from zorki.input_files.content import special_kind

MAX_LINKS = 3
"""Links to folders that are followed one behind another."""

# Left behind by file managers, archives and network disks, whose thumbnails and bins hold images of their own, deleted
# ones among them: no class, no image, and no defect either.
_LEFTOVERS = frozenset(
    {
        "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "network trash folder", "temporary items",
        "@eadir", "@recycle", "#recycle", "#snapshot", "@recently-snapshot",
        "$recycle.bin", "recycler", "recycled", "system volume information", "lost+found",
    }
)  # fmt: skip

_TELLING = (".json", ".xml", ".csv", ".tsv", ".txt", ".yaml", ".yml", ".names", ".data")  # of files of annotation


def is_image(name: str) -> bool:
    """Whether a file counts as an image, by its suffix."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def is_visible(name: str) -> bool:
    """Whether a name is neither hidden nor a leftover of a file system."""
    return not name.startswith(".") and name.lower() not in _LEFTOVERS


def subfolders(folder: Path) -> list[str]:
    """Names of the visible folders in a folder, sorted; links to folders count."""
    return [entry.name for entry in _visible(str(folder)) if _is_folder(entry)]


def loose_files(folder: Path) -> list[str]:
    """Names of the visible files that lie in a folder itself, sorted."""
    return [entry.name for entry in _visible(str(folder)) if _is_file(entry)]


def walk_files(folder: Path) -> Iterator[str]:
    """Visible files below a folder, sorted within each, as paths relative to it with forward slashes.

    Links are followed, but no folder is entered from within itself, and no more than `MAX_LINKS` one behind another:
    of folders that link to each other there are more ways than anybody could go.
    """
    # Of each folder that is open: what is left of it, its path below `folder`, the folders it lies in, and the links.
    open_folders = [(iter(_visible(str(folder))), "", frozenset({os.path.realpath(folder)}), 0)]
    while open_folders:
        entries, prefix, above, links = open_folders[-1]
        if (entry := next(entries, None)) is None:
            open_folders.pop()
        elif not _is_folder(entry):
            yield prefix + entry.name
        else:
            linked = links + entry.is_symlink()
            real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
            if real not in above and linked <= MAX_LINKS:
                within = above | {os.path.realpath(entry.path)}
                open_folders.append((iter(_visible(entry.path)), f"{prefix}{entry.name}/", within, linked))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to where nobody may look
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _visible(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if is_visible(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read: {error.strerror or error}") from error


def holds_image(folder: Path) -> bool:
    """Whether any image lies below a folder."""
    return any(is_image(name) for name in walk_files(folder))


def missing_root(root: Path) -> DataError | None:
    """What to raise where `root` does not exist, with the near names beside it, or is a pipe or a device; else None."""
    if (kind := special_kind(root)) is not None:
        return DataError(f"{root}: it is {kind}, and neither a file nor a folder of data")
    if root.exists():
        return None
    parent = next((folder for folder in root.absolute().parents if folder.is_dir()), Path("/"))
    # The first part of the path that is not there is the one that may be misspelt.
    wrong = root.absolute().relative_to(parent).parts[0]
    near = did_you_mean(wrong, sorted(os.listdir(parent)))
    return DataError(f"{root}: there is no such file or folder: {parent} holds no {wrong!r}.{near}")


def no_images(folder: Path) -> DataError:
    """What to raise where a folder holds no image at all; it tells of videos, where there are any."""
    videos = [name for name in walk_files(folder) if is_video(name)]
    if videos:
        many = f", and {len(videos)} videos, {videos[0]} first" if len(videos) > 1 else f", and a video, {videos[0]}"
        return DataError(f"{folder}: no image in this folder or below it{many}")
    extensions = ", ".join(sorted(EXTENSIONS))
    return DataError(f"{folder}: no image in this folder or below it; looked for files named {extensions}")


def bare_images(folder: Path) -> list[str]:
    """The images that lie in a folder itself; none where any file, or folder, could tell what is on them."""
    if not folder.is_dir():
        return []
    names = loose_files(folder)
    has_structure = subfolders(folder) or any(name.lower().endswith(_TELLING) for name in names)
    return [] if has_structure else [name for name in names if is_image(name)]
