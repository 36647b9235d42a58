"""What writers of boxes work from, and what formats cannot say of boxes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from zorki.data.annotations.boxes.dataset import BoxDataset
from zorki.data.annotations.drafts.new_folder import COPIERS, unlike_names


@dataclass
class BoxDraft:
    """What a writer works from: the data, the folder to fill, and the name of every image there.

    `members` are indices by split, each image in one; `lost` collects in words what the format cannot say.
    """

    data: BoxDataset
    folder: Path
    names: list[str]
    members: dict[str, list[int]]
    lost: list[str] = field(default_factory=list)

    def count(self, flags: str) -> int:
        """How many boxes have the flag `crowd` or `difficult`."""
        values = getattr(self.data, flags)
        return 0 if values is None else int(values.sum())


def file_names(data: BoxDataset) -> list[str]:
    """A name for the file of every image: unique without its suffix, in any case, since labels share that."""
    return unlike_names([_with_suffix(data, index) for index in range(len(data))])


def _with_suffix(data: BoxDataset, index: int) -> str:
    """The image's name; of an embedded one, with the suffix of its kind in place of its file's .json."""
    if index not in data.embedded:
        return data.names[index]
    suffix = ".png" if data.image_bytes(index).startswith(b"\x89PNG") else ".jpg"
    return str(PurePosixPath(data.names[index]).with_suffix(suffix))


def place_images(draft: BoxDraft, how: str, place: Callable[[str, str], Path]) -> None:
    """Copies or links every image to where the writer wants it: `place(split, name)`."""
    jobs = [(index, place(split, draft.names[index])) for split, indices in draft.members.items() for index in indices]
    for folder in {path.parent for _, path in jobs}:
        folder.mkdir(parents=True, exist_ok=True)

    def work(job: tuple[int, Path]) -> None:
        index, path = job
        if index in draft.data.embedded:
            path.write_bytes(draft.data.image_bytes(index))
        elif how == "link":
            path.symlink_to(draft.data.path(index).resolve())
        else:
            shutil.copyfile(draft.data.path(index), path)

    with ThreadPoolExecutor(COPIERS) as pool:
        list(pool.map(work, jobs))


def lost_flags(draft: BoxDraft, names: Sequence[str], format: str) -> None:
    """Notes which flags of boxes the format cannot say."""
    for name in names:
        if (count := draft.count(name)) > 0:
            draft.lost.append(f"{format} knows no {name} boxes: {count} are written as ordinary ones")


def lost_lists(draft: BoxDraft, format: str, outlines: str) -> None:
    """Notes what is lost of ids, outlines and the list of classes where the format has no place for any of them."""
    data = draft.data
    if data.image_ids is not None or data.category_ids != list(range(1, len(data.class_names) + 1)):
        draft.lost.append(f"{format} has no ids of images, boxes and classes: they are not kept")
    if data.segments is not None and any(data.segments):
        draft.lost.append(f"{outlines}: the boxes alone are kept")
    draft.lost += lost_classes(data.class_names, set(data.labels.tolist()), format, "a box")


def lost_classes(class_names: Sequence[str], used: Collection[int], format: str, thing: str) -> list[str]:
    """What is lost of the list of classes where a format tells them by their names in the objects alone."""
    lost = []
    if bare := [name for label, name in enumerate(class_names) if label not in used]:
        names = ", ".join(bare[:5])
        lost.append(f"{format} has no list of classes: {len(bare)} without {thing} are not kept ({names})")
    if list(class_names) != sorted(class_names):
        lost.append(f"{format} has no order of classes: they are read back sorted by name")
    return lost


def shortest(value: float, decimals: int = 4) -> str:
    """A number in as few characters as hold `decimals` places: 174 and not 174.0."""
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".") if value != 0 else "0"
