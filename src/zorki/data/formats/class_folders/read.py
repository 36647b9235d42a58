"""A folder for each class, below folders for train, val and test or without them.

    photos/cat/1.jpg, photos/dog/2.jpg          or          photos/train/cat/1.jpg, photos/Validation/dog/2.jpg

Labels agree with torchvision's ImageFolder: classes are sorted by name. Folders within a class belong to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from zorki.data.annotations.labels import LabelRecords
from zorki.data.annotations.listing import holds_image, is_image, loose_files, no_images, subfolders, walk_files
from zorki.data.annotations.masks.layout import IMAGE_WORDS, MASK_WORDS, are_images_and_masks, find_layout
from zorki.data.annotations.splits import split_name
from zorki.data.formats.probe import Probe
from zorki.data.formats.unread import unread
from zorki.errors import DataError
from zorki.types import Defect

EXPECTED = "a folder for each class, below train, val and test folders or without them"


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    fits, reason = _inspect(root)
    if fits and (other := _images_with_masks(root)) is not None:
        return Probe.no(other)
    return Probe(fits, reason)


def read(root: Path) -> LabelRecords:
    """The images below `root`, each labeled by its class folder.

    Hidden files and file managers' leftovers are passed over; other files that are no images, images outside of
    class folders, and empty class folders are told in `defects`. A class whose folders are all empty is left out,
    unless a run knows it.

    Raises:
        DataError: there is no such folder, or no class folder or no image in it.
    """
    fits, reason = _inspect(root)
    if not fits:
        raise no_images(root) if root.is_dir() and not holds_image(root) else DataError(f"{root}: {reason}")
    found = LabelRecords(root, root, "class_folders", reason)
    splits = _split_folders(root)
    for split in splits:
        first = len(found.names)
        _read_classes(root, f"{split}/", found)
        found.given.setdefault(split, []).extend(range(first, len(found.names)))
    if splits:
        _note_other_folders(root, splits, found)
    else:
        _read_classes(root, "", found)
    found.defects += _only_class(root, found)
    return found


def _inspect(root: Path) -> tuple[bool, str]:
    """Whether the format fits, and why or why not."""
    if not root.is_dir():
        return False, "it is not a folder"
    folders = subfolders(root)
    if not folders:
        return False, "there is no folder in it that could be a class"
    splits = _split_folders(root)
    if splits:
        classes = {name for split in splits for name in subfolders(root / split)}
        if any(holds_image(root / split / name) for split in splits for name in subfolders(root / split)):
            return True, f"{_list(splits)} {_hold(splits)} a folder for each class: {_list(sorted(classes))}"
        return False, f"the class folders in {_list(splits)} hold no image"
    if all(split_name(name) for name in folders):
        return False, f"{_list(folders)} {_hold(folders)} no folder for each class, and none is a class by its name"
    if (reason := _meant_for_masks(root, folders)) is not None:
        return False, reason
    if any(holds_image(root / name) for name in folders):
        return True, f"it holds a folder for each class: {_list(folders)}"
    return False, f"its folders hold no image: {_list(folders)}"


def _meant_for_masks(root: Path, folders: Sequence[str]) -> str | None:
    """Why folders called as images and masks are, of which one is empty, are no classes; None for others."""
    if len(folders) != 2 or sum(name.lower() in IMAGE_WORDS for name in folders) != 1:
        return None
    if sum(name.lower() in MASK_WORDS for name in folders) != 1:
        return None
    empty = [name for name in folders if not holds_image(root / name)]
    return f"{_list(folders)} are called as images with masks are, and {empty[0]} holds none" if empty else None


def _images_with_masks(root: Path) -> str | None:
    """Why folders that could be classes are images with masks of them; None where they are not."""
    if (other_format := unread(root)) is not None and "panoptic" in other_format:
        return other_format
    layout = find_layout(root)
    if not isinstance(layout, str) and are_images_and_masks(layout):
        part = layout.parts[0]
        names = [path.relative_to(root).as_posix() for path in (part.images, part.masks)]
        reason = f"{names[1]} holds masks of the images in {'it' if names[0] == '.' else names[0]}, named alike"
        return f"{reason}: a class for every pixel; --format class_folders takes them for classes"
    folders = subfolders(root)
    if len(folders) == 1 and folders[0].lower() in MASK_WORDS and not any(map(is_image, loose_files(root))):
        return f"its only folder is called {folders[0]}, as masks are, and no images lie beside"
    return None


def _split_folders(root: Path) -> list[str]:
    """The folders of `root` that are splits; none where a folder of that name is a class ("train" beside "car")."""
    folders = subfolders(root)
    splits = [name for name in folders if split_name(name) and subfolders(root / name)]
    classes = [name for name in folders if not split_name(name)]
    if any(_holds_image_itself(root / name) for name in classes):
        return []
    return splits


def _holds_image_itself(folder: Path) -> bool:
    return any(is_image(name) for name in loose_files(folder))


def _read_classes(root: Path, prefix: str, found: LabelRecords) -> None:
    """Adds the classes in the folder `root / prefix`."""
    for class_name in subfolders(root / prefix):
        folder = root / prefix / class_name
        files = list(walk_files(folder))
        images = [name for name in files if is_image(name)]
        found.names.extend(f"{prefix}{class_name}/{name}" for name in images)
        found.classes.extend([class_name] * len(images))
        if not images:
            found.empty.append((folder, class_name))
        if len(images) < len(files):
            found.defects.append(_others(folder, [name for name in files if not is_image(name)]))
    _note_loose_images(root / prefix, found)


def _note_loose_images(folder: Path, found: LabelRecords) -> None:
    loose = sum(is_image(name) for name in loose_files(folder))
    if loose:
        what = "1 image was" if loose == 1 else f"{loose} images were"
        found.defects.append(Defect(folder, f"{what} left out: outside of any class folder"))


def _note_other_folders(root: Path, splits: list[str], found: LabelRecords) -> None:
    for name in subfolders(root):
        if name not in splits and holds_image(root / name):
            what = "images without class folders" if split_name(name) else "images, but is no split"
            found.defects.append(Defect(root / name, f"the folder holds {what}, and was left out"))
    _note_loose_images(root, found)


def _others(folder: Path, names: list[str]) -> Defect:
    suffixes = sorted({PurePosixPath(name).suffix.lower() or "no suffix" for name in names})
    one = len(names) == 1
    return Defect(
        folder, f"{len(names)} file{'' if one else 's'} ({_list(suffixes)}) left out: no image{'' if one else 's'}"
    )


def _only_class(root: Path, found: LabelRecords) -> list[Defect]:
    """A hint where all images are of one class that is rather a folder of classes."""
    if len(set(found.classes)) != 1 or found.given:
        return []
    folder = root / found.classes[0]
    inner = [name for name in subfolders(folder) if holds_image(folder / name)]
    if len(inner) < 2:
        return []
    reason = f"the only class holds folders; if they are the classes ({_list(inner)}), name this folder"
    return [Defect(folder, reason, note=True)]


def _hold(names: Sequence[str]) -> str:
    return "holds" if len(names) == 1 else "hold"


def _list(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")
