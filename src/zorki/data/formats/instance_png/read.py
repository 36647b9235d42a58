"""One PNG for each object, in a folder for each image, as in the Data Science Bowl of 2018.

    ID/images/ID.png   ID/masks/1.png   ID/masks/2.png        also stage1_train/ID/..., train/ID/...

A pixel that is not 0 belongs to the object; of a JPEG, one of 128 or more. All objects are of one class, since nothing
tells classes apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from zorki.data.annotations.instances.label_maps import objects_in
from zorki.data.annotations.listing import is_image, loose_files, subfolders
from zorki.data.annotations.masks.dataset import other_size
from zorki.data.annotations.masks.stored import read_stored
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records
from zorki.data.annotations.split_words import split_in
from zorki.data.annotations.splits import split_name
from zorki.data.formats.label_map_png.read import ONE_CLASS
from zorki.data.formats.look import Look
from zorki.data.images import image_size
from zorki.errors import DataError
from zorki.types import Defect

WANTED = "a folder for each image, with one image in images and one PNG for each object in masks"

_READERS = 8  # threads: decoders work side by side
_MIDDLE = 128  # of black and white


def look(root: Path) -> Look:
    """Whether `root` is of this format, and why or why not."""
    if not root.is_dir():
        return Look.no("it is not a folder" if root.exists() else "it is neither a file nor a folder")
    first = next((folder for folder, _ in _folders(root)), None)
    if first is None:
        return Look.no("no folder in it holds one image in images and masks beside")
    return Look.yes(f"it holds a folder for each image, with images and masks: {first.name}")


def read(root: Path, images: Path | None = None) -> Records:
    """What the masks say; `images` is for likeness with other formats. Raises DataError where there are none."""
    looked = look(root)
    if not looked.fits:
        raise DataError(f"{root}: {looked.reason}; wanted {WANTED}")
    records = Records(root, "instance_png", looked.reason, [], [root], class_names=[ONE_CLASS], classless=True)
    found = list(_folders(root, bare=True))
    with ThreadPoolExecutor(_READERS) as pool:
        read_ones = list(pool.map(lambda one: _read_folder(one[0]), found))
    for (_, split), (image, defects) in zip(found, read_ones, strict=True):
        records.defects += defects
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


def _read_folder(folder: Path) -> tuple[ImageRecord | None, list[Defect]]:
    """The image with its objects, None where it cannot be used, and what is wrong."""
    path = folder / "images" / _images(folder / "images")[0]
    if not (folder / "masks").is_dir():
        return None, [Defect(folder, "there is no folder of masks; the image was left out")]
    try:
        height, width = image_size(path)
    except DataError as error:
        return None, [Defect(path, f"{str(error).removeprefix(f'{path}: ')}; left out with its masks")]
    image = ImageRecord(path.name, folder / "masks", path=path, height=height, width=width)
    defects: list[Defect] = []
    smeared = False
    for name in _images(folder / "masks"):
        mask = folder / "masks" / name
        thing, lossy = _read_object(mask, (height, width))
        smeared |= lossy
        if isinstance(thing, str):
            defects.append(Defect(mask, f"{thing}; the object was left out"))
        else:
            image.objects.append(thing)
    if smeared:
        reason = f"masks are JPEGs, which smears their edges: values from {_MIDDLE} on are taken for the object"
        defects.append(Defect(folder / "masks", reason, note=True))
    return image, defects


def _read_object(path: Path, size: tuple[int, int]) -> tuple[ObjectRecord | str, bool]:
    """The object of a mask, or why it is none; and whether the file is a JPEG, whose zeros are none at every edge."""
    try:
        stored = read_stored(path)
    except DataError as error:
        return str(error).removeprefix(f"{path}: "), False
    pixels = stored.values >= _MIDDLE if stored.lossy else stored.values != 0
    if pixels.shape != size:
        return other_size(size, pixels.shape), stored.lossy
    found = objects_in(pixels.astype(np.uint8))
    if not found:
        return f"the mask is empty: every pixel is {f'below {_MIDDLE}' if stored.lossy else 0}", stored.lossy
    outline = {"size": list(size), "counts": found[0].text.decode()}
    return ObjectRecord(ONE_CLASS, found[0].xyxy, segments=outline), stored.lossy
