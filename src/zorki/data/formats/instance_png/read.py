"""One PNG for each object, in a folder for each image, as in the Data Science Bowl of 2018.

    ID/images/ID.png   ID/masks/1.png   ID/masks/2.png        also stage1_train/ID/..., train/ID/...

A pixel that is not 0 belongs to the object; where masks are smeared, as JPEGs are, one of 128 or more: see
`object_masks`. All objects are of one class, since nothing tells classes apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zorki.data.annotations.instances.label_maps import objects_in
from zorki.data.annotations.instances.object_masks import ObjectMaskTally, ShadeCounts, object_mask
from zorki.data.annotations.listing import is_image, loose_files, subfolders
from zorki.data.annotations.masks.dataset import other_size
from zorki.data.annotations.masks.stored import MIDDLE, read_stored
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records
from zorki.data.annotations.split_words import split_in
from zorki.data.annotations.splits import split_name
from zorki.data.formats.label_map_png.read import ONE_CLASS
from zorki.data.formats.probe import Probe
from zorki.data.images import image_size
from zorki.errors import DataError
from zorki.types import Defect

EXPECTED = "a folder for each image, with one image in images and one PNG for each object in masks"

Array = np.ndarray[Any, np.dtype[Any]]

_READERS = 8  # threads: decoders work side by side


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    if not root.is_dir():
        return Probe.no("it is not a folder" if root.exists() else "it is neither a file nor a folder")
    first = next((folder for folder, _ in _folders(root)), None)
    if first is None:
        return Probe.no("no folder in it holds one image in images and masks beside")
    return Probe.yes(f"it holds a folder for each image, with images and masks: {first.name}")


def read(root: Path, images: Path | None = None) -> Records:
    """What the masks say; `images` is for likeness with other formats. Raises DataError where there are none."""
    fit = probe(root)
    if not fit.fits:
        raise DataError(f"{root}: {fit.reason}; expected {EXPECTED}")
    records = Records(root, "instance_png", fit.reason, [], [root], class_names=[ONE_CLASS], classless=True)
    found = list(_folders(root, bare=True))
    with ThreadPoolExecutor(_READERS) as pool:
        read_ones = list(pool.map(lambda one: _read_folder(one[0]), found))
    tally = ObjectMaskTally()
    for one in read_ones:
        tally.add(mask.counts for mask in one.masks)
    records.defects += tally.notes(root)
    for (_, split), one in zip(found, read_ones, strict=True):
        records.defects += one.defects
        image = one.with_objects(tally.smeared, records.defects)
        if image is None:
            continue
        if split is not None:
            records.given.setdefault("train" if split == "trainval" else split, []).append(len(records.images))
        records.images.append(image)
    return records


def _folders(root: Path, *, bare: bool = False) -> Iterator[tuple[Path, str | None]]:
    """The folders of images with their splits; with `bare`, those without masks too."""
    if not root.is_dir():
        return
    for name in subfolders(root):
        folder, split = root / name, split_in(name)
        inner = [folder / one for one in subfolders(folder) if _is_one(folder / one, bare)] if split else []
        if inner:
            yield from ((one, split) for one in inner)
        elif split_name(name) is None and _is_one(folder, bare):
            yield folder, None


def _is_one(folder: Path, bare: bool) -> bool:
    inner = subfolders(folder)
    return "images" in inner and ("masks" in inner or bare) and len(_images(folder / "images")) == 1


def _images(folder: Path) -> list[str]:
    return [name for name in loose_files(folder) if is_image(name)] if folder.is_dir() else []


@dataclass
class _Mask:
    """A mask in both readings: `plain`, and `bright` where masks are smeared and this one is not `sharp`."""

    path: Path
    counts: ShadeCounts
    plain: ObjectRecord | None
    sharp: bool
    bright: ObjectRecord | None
    lossy: bool


@dataclass
class _Folder:
    """An image, None where it cannot be used, with its masks, and what is wrong."""

    image: ImageRecord | None = None
    masks: list[_Mask] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)

    def with_objects(self, smeared: bool, defects: list[Defect]) -> ImageRecord | None:
        """The image with its objects, once it is known whether masks are smeared; empty masks are told."""
        for mask in self.masks if self.image is not None else ():
            split = (smeared or mask.lossy) and not mask.sharp
            thing = mask.bright if split else mask.plain
            if thing is None:
                reason = f"the mask is empty: every pixel is {f'below {MIDDLE}' if split else 0}"
                defects.append(Defect(mask.path, f"{reason}; the object was left out"))
            elif self.image is not None:
                self.image.objects.append(thing)
        return self.image


def _read_folder(folder: Path) -> _Folder:
    path = folder / "images" / _images(folder / "images")[0]
    if not (folder / "masks").is_dir():
        return _Folder(defects=[Defect(folder, "there is no folder of masks; the image was left out")])
    try:
        height, width = image_size(path)
    except DataError as error:
        return _Folder(defects=[Defect(path, f"{str(error).removeprefix(f'{path}: ')}; left out with its masks")])
    found = _Folder(ImageRecord(path.name, folder / "masks", path=path, height=height, width=width))
    for name in _images(folder / "masks"):
        mask = folder / "masks" / name
        one = _read_object(mask, (height, width))
        if isinstance(one, str):
            found.defects.append(Defect(mask, f"{one}; the object was left out"))
        else:
            found.masks.append(one)
    return found


def _read_object(path: Path, size: tuple[int, int]) -> _Mask | str:
    """What a mask holds, or why there is no object in it."""
    try:
        stored = read_stored(path)
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")
    if stored.values.shape != size:
        return other_size(size, stored.values.shape)
    mask = object_mask(stored)
    bright = None if mask.bright is None else _object(mask.bright)
    return _Mask(path, mask.counts, _object(mask.plain), mask.bright is None, bright, stored.lossy)


def _object(pixels: Array) -> ObjectRecord | None:
    found = objects_in(pixels.astype(np.uint8))
    if not found:
        return None
    outline = {"size": list(pixels.shape), "counts": found[0].text.decode()}
    return ObjectRecord(ONE_CLASS, found[0].xyxy, segments=outline)
