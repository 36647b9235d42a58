"""Masks of classes written in the formats of others: a whole new folder, or none at all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from zorki.contracts import Dataset
from zorki.data.annotations.drafts.new_folder import (
    COPIERS,
    file_name_of,
    members_of,
    new_folder,
    place_image,
    refuse_taken,
    split_folder,
    unlike_names,
)
from zorki.data.annotations.image_lists import write_lists
from zorki.data.annotations.masks.class_names import is_void
from zorki.data.annotations.masks.dataset import IGNORE
from zorki.data.annotations.masks.stored import class_palette, write_mask
from zorki.data.annotations.splits import ORDER
from zorki.errors import DataError
from zorki.files import write_text
from zorki.types import Mask

WRITERS = ("mask_pairs", "voc_masks")
"""Formats that can be written."""

Places = Callable[[str, str], tuple[Path, Path]]  # split and file name to where the image and its mask go


@dataclass
class MaskDraft:
    """What a writer works from; `lost` collects in words what the format cannot say."""

    data: Dataset[Mask]
    folder: Path
    names: list[str]
    members: dict[str, list[int]]
    lost: list[str] = field(default_factory=list)


def write(data: Dataset[Mask], out: Path, to: str, *, images: str | None = "copy") -> list[str]:
    """Writes the data set as `to` into the new folder `out`, and tells in words what that format cannot keep.

    mask_pairs: train/images, train/masks, and so on. voc_masks: JPEGImages, SegmentationClass and
    ImageSets/Segmentation. Masks are PNGs with a palette, the data's own where they have one (see `class_palette`):
    labels are indices, and what is ignored is 255. classes.txt names the classes. Images are copied as they are;
    those that are no files of their own, such as scenes, are written as PNG. An image is written into the first of
    its splits.

    Args:
        data: any data set of masks.
        to: one of `WRITERS`.
        images: "copy", "link" (symbolic links to the originals), or None for the masks alone.

    Raises:
        DataError: `out` is there and not empty, `to` is none of the formats, there are more than 255 classes, or a
            sample cannot be read.
        ZorkiError: the disk is full, or the folder cannot be written; nothing is left then.
    """
    if to not in WRITERS:
        raise DataError(f"{to!r} is no format that can be written; expected one of {', '.join(WRITERS)}")
    refuse_taken(out)
    if len(data.class_names) > IGNORE:
        raise DataError(f"{data.root}: {len(data.class_names)} classes, and masks of 8 bits tell {IGNORE} apart")
    with new_folder(out) as aside:
        return _fill(data, aside, to, images)


def _fill(data: Dataset[Mask], folder: Path, to: str, images: str | None) -> list[str]:
    members, outside, twice = members_of(data)
    names = unlike_names([file_name_of(data, index) for index in range(len(data))])
    draft = MaskDraft(data, folder, names, members)
    if outside:
        draft.lost.append(f"{outside} images are in no split, and {to} has no place for them: left out")
    if twice:
        draft.lost.append(f"{twice} images are in several splits: each was written into the first")
    if strange := [split for split in members if split not in ORDER]:
        draft.lost.append(f"readers know train, val and test, and take {', '.join(strange)} for no split")
    if void := [name for name in data.class_names if is_void(name)]:
        draft.lost.append(f"a class called {void[0]!r} is read back as what nobody judges")
    place = _voc(draft) if to == "voc_masks" else _pairs(draft)
    write_text(folder / "classes.txt", "".join(f"{' '.join(name.split())}\n" for name in data.class_names))
    _write_samples(draft, images, place)
    return draft.lost


def _pairs(draft: MaskDraft) -> Places:
    """train/images/1.jpg and train/masks/1.png; without a split where the only one is called otherwise."""

    def place(split: str, name: str) -> tuple[Path, Path]:
        folder = split_folder(draft.folder, split, draft.members)
        return folder / "images" / name, folder / "masks" / f"{PurePosixPath(name).stem}.png"

    return place


def _voc(draft: MaskDraft) -> Places:
    """JPEGImages/1.jpg and SegmentationClass/1.png, and the lists."""
    write_lists(draft.folder / "ImageSets" / "Segmentation", draft.members, draft.names)

    def place(split: str, name: str) -> tuple[Path, Path]:
        stem = PurePosixPath(name).stem
        return draft.folder / "JPEGImages" / name, draft.folder / "SegmentationClass" / f"{stem}.png"

    return place


def _write_samples(draft: MaskDraft, images: str | None, place: Places) -> None:
    palette = class_palette(getattr(draft.data, "palette", None))
    jobs = [(index, *place(split, draft.names[index])) for split, own in draft.members.items() for index in own]
    for folder in {path.parent for _, *paths in jobs for path in paths[images is None :]}:
        folder.mkdir(parents=True, exist_ok=True)

    def work(job: tuple[int, Path, Path]) -> bool:
        index, image, mask = job
        target = draft.data.target(index)
        if images is not None:
            place_image(draft.data, index, image, images)
        classes = target.classes.masked_fill(target.classes == target.ignore, IGNORE)
        write_mask(mask, classes, palette)
        return target.weights is not None

    with ThreadPoolExecutor(COPIERS) as pool:
        weighted = sum(pool.map(work, jobs))
    if weighted:
        draft.lost.append(f"{weighted} masks have weights of their pixels: they are not kept")
