"""What every format that keeps one image a file shares: finding images, the data sets over them, their defects."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zorki.contracts import Dataset
from zorki.data.images import EXTENSIONS, MAX_PIXELS, check_image, read_image
from zorki.errors import DataError, did_you_mean
from zorki.types import Defect, Label, Sample

# Left behind by file managers and archives: no image, and no defect either.
_JUNK = frozenset({"thumbs.db", "desktop.ini", "__macosx", "icon\r"})


@dataclass
class LabelDataset(Dataset[Label]):
    """Images in files, and one class each. `names` are paths relative to `folder`, or absolute ones."""

    root: Path
    folder: Path
    format: str
    reason: str
    class_names: list[str]
    names: list[str]
    labels: list[int]
    splits: dict[str, list[int]]
    split_reason: str
    defects: list[Defect] = field(default_factory=list)
    max_pixels: int = MAX_PIXELS

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample[Label]:
        path = self.path(index)
        return Sample(read_image(path, max_pixels=self.max_pixels), self.target(index), path)

    def target(self, index: int) -> Label:
        return Label(self.labels[index])

    def path(self, index: int) -> Path:
        return self.folder / self.names[index]

    def check(self, index: int) -> Defect | None:
        reason = check_image(self.path(index), self.max_pixels)
        return None if reason is None else Defect(self.path(index), reason)


def is_image(name: str) -> bool:
    """Whether a file counts as an image, by its suffix."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def is_visible(name: str) -> bool:
    """Whether a name is neither hidden nor a leftover of a file manager."""
    return not name.startswith(".") and name.lower() not in _JUNK


def subfolders(folder: Path) -> list[str]:
    """Names of the visible folders in a folder, sorted; links to folders count."""
    return [entry.name for entry in _visible(str(folder)) if _is_folder(entry)]


def loose_files(folder: Path) -> list[str]:
    """Names of the visible files that lie in a folder itself, sorted."""
    return [entry.name for entry in _visible(str(folder)) if _is_file(entry)]


def walk_files(folder: Path) -> Iterator[str]:
    """Visible files below a folder, sorted within each, as paths relative to it with forward slashes.

    Links are followed, but no folder is entered from within itself.
    """
    yield from _walk(str(folder), "", frozenset({os.path.realpath(folder)}))


def _walk(folder: str, prefix: str, above: frozenset[str]) -> Iterator[str]:
    for entry in _visible(folder):
        if not _is_folder(entry):
            yield prefix + entry.name
        else:
            real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
            if real not in above:
                yield from _walk(entry.path, f"{prefix}{entry.name}/", above | {os.path.realpath(entry.path)})


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
    """What to raise where `root` does not exist, with the near names beside it; None where it does."""
    if root.exists():
        return None
    parent = next((folder for folder in root.absolute().parents if folder.is_dir()), Path("/"))
    # The first part of the path that is not there is the one that may be misspelt.
    wrong = root.absolute().relative_to(parent).parts[0]
    near = did_you_mean(wrong, sorted(os.listdir(parent)))
    return DataError(f"{root}: there is no such file or folder: {parent} holds no {wrong!r}.{near}")


def no_images(folder: Path) -> DataError:
    """What to raise where a folder holds no image at all."""
    wanted = ", ".join(sorted(EXTENSIONS))
    return DataError(f"{folder}: no image in this folder or below it; looked for files named {wanted}")


def map_classes(found: Sequence[str], class_names: Sequence[str] | None, root: Path) -> list[str]:
    """The order of classes: the one asked for, or that of `found`.

    Raises:
        DataError: the data have a class that is not among `class_names`.
    """
    if class_names is None:
        return list(found)
    unknown = [name for name in found if name not in set(class_names)]
    if unknown:
        known = ", ".join(class_names[:10]) + (", ..." if len(class_names) > 10 else "")
        raise DataError(
            f"{root}: the data have {_count(unknown, 'class', 'classes')} that the model does not know: "
            f"{', '.join(unknown[:10])}; it knows {len(class_names)}: {known}.{did_you_mean(unknown[0], class_names)}"
        )
    return list(class_names)


def unseen_classes(
    root: Path, class_names: Sequence[str], labels: Sequence[int], splits: dict[str, list[int]]
) -> list[Defect]:
    """A defect for each class of another split that train, where there is one, has no sample of."""
    if "train" not in splits:
        return []
    seen = {labels[index] for index in splits["train"]}
    defects = []
    for split in (split for split in splits if split != "train"):
        counts = Counter(labels[index] for index in splits[split])
        for label in sorted(set(counts) - seen):
            samples = f"{counts[label]} sample{'s' if counts[label] > 1 else ''}"
            reason = f"class {class_names[label]!r} has {samples} in {split} and none in train"
            defects.append(Defect(root, reason, note=True))
    return defects


def _count(items: Sequence[str], one: str, many: str) -> str:
    return f"a {one}" if len(items) == 1 else f"{len(items)} {many}"
