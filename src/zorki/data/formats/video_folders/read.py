"""A folder for each class, below folders for train, val and test or without them.

    films/wave/1.mp4, films/bend/2.avi               or     films/train/wave/1.mp4, films/test/wave/2.mp4
    films/wave/film1/0001.jpg, .../0002.jpg          a film as a folder of frames
    films/wave/1.png                                 a film as a strip: square frames side by side in one image

Folders within a class are films where they hold frames; else what lies in them belongs to the class, and films that lie
in one such folder are of one group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zorki.data.annotations.clips.clip_record import ClipRecord
from zorki.data.annotations.clips.records import ClipRecords
from zorki.data.annotations.listing import is_image, loose_files, subfolders
from zorki.data.annotations.splits import split_name
from zorki.data.formats.probe import Probe
from zorki.data.video.container import is_video
from zorki.data.video.films import holds_frames, is_frame_folder, is_strip
from zorki.errors import DataError
from zorki.types import Defect

EXPECTED = (
    "a folder for each class with videos, folders of frames, or strips, below train, val and test or without them"
)

_LOOKED_AT = 3  # files of a class that are looked at to tell strips from photos
_DEPTH = 3


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    if not root.is_dir():
        return Probe.no("it is not a folder")
    classes = _class_folders(root)
    for folder in classes:
        if (kind := _kind(folder)) is not None:
            return Probe.yes(f"its folders hold {kind}: {', '.join(path.name for path in classes[:5])}")
    return Probe.no("no folder in it holds videos, folders of frames, or strips")


def read(root: Path) -> ClipRecords:
    """The films below `root`, each labeled by its class folder. Raises DataError where there are none."""
    found = ClipRecords(root, "video_folders", probe(root).reason)
    for folder in _class_folders(root):
        split = folder.parent.name if folder.parent != root and split_name(folder.parent.name) else None
        first = len(found.clips)
        others: list[str] = []
        for path, inner in _films(folder, folder.relative_to(folder), others):
            name = path.relative_to(root).as_posix()
            group = f"{folder.name}/{inner}" if inner != Path() else ""
            found.clips.append(ClipRecord(name, path, folder_group=group))
            found.classes.append(folder.name)
        count = len(found.clips) - first
        if split is not None:
            found.given.setdefault(split, []).extend(range(first, len(found.clips)))
        if not count:
            found.empty.append((folder, folder.name))
        if others:
            some = "1 file" if len(others) == 1 else f"{len(others)} files"
            found.defects.append(
                Defect(folder, f"{some} left out: no video, and no strip of frames ({others[0]} first)")
            )
    if not found.clips:
        raise DataError(f"{root}: no film was found; expected {EXPECTED}")
    return found


def _class_folders(root: Path) -> list[Path]:
    folders = subfolders(root)
    splits = [name for name in folders if split_name(name) and subfolders(root / name)]
    if splits and not any(_kind(root / name) for name in folders if name not in splits):
        return [root / split / name for split in splits for name in subfolders(root / split)]
    if [name for name in folders if not split_name(name)] == folders and len(folders) == 1:
        inner = root / folders[0]  # such as data/actions/0
        if _kind(inner, direct=True) is None and subfolders(inner):
            return _class_folders(inner)
    return [root / name for name in folders]


def _kind(folder: Path, *, direct: bool = False, depth: int = _DEPTH) -> str | None:
    """What films a folder holds, in words; None: none."""
    files = loose_files(folder)
    if any(map(is_video, files)):
        return "videos"
    if not direct and any(holds_frames(folder / name) for name in subfolders(folder)):
        return "folders of frames"
    images = [name for name in files if is_image(name)]
    if images and all(is_strip(folder / name) for name in images[:_LOOKED_AT]):
        return "strips of frames"
    if direct or depth == 0:
        return None
    return next((kind for name in subfolders(folder) if (kind := _kind(folder / name, depth=depth - 1))), None)


def _films(folder: Path, inner: Path, others: list[str], depth: int = _DEPTH) -> Iterator[tuple[Path, Path]]:
    """The films in a class's folder, with the folder within it that each lies in."""
    for name in loose_files(folder):
        if is_video(name) or (is_image(name) and is_strip(folder / name)):
            yield folder / name, inner
        else:
            others.append(name)
    for name in subfolders(folder):
        path = folder / name
        if is_frame_folder(path):
            yield path, inner
        elif depth:
            yield from _films(path, inner / name, others, depth - 1)
