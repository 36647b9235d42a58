"""Pascal VOC's masks of objects: a PNG with their numbers beside one with their classes (Everingham et al., 2010).

    JPEGImages/0001.jpg   SegmentationObject/0001.png   SegmentationClass/0001.png   ImageSets/Segmentation/*.txt

Objects are numbered from 1 in each image; 255 is the seam around them, which is ignored and which is background
here. The class of an object is the one that its pixels have in SegmentationClass; images, classes' names and lists
are found as `read_masks` finds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from zorki.data.annotations.instances.label_maps import objects_in, read_numbers
from zorki.data.annotations.listing import holds_image, is_image, walk_files
from zorki.data.annotations.masks.build import build
from zorki.data.annotations.masks.dataset import IGNORE, MaskDataset, other_size
from zorki.data.annotations.masks.from_instances import BACKGROUND
from zorki.data.annotations.masks.levels import percent
from zorki.data.annotations.masks.pairing import pair
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records
from zorki.data.formats.probe import Probe
from zorki.data.formats.voc import read_masks
from zorki.errors import DataError
from zorki.types import Defect

EXPECTED = "folders JPEGImages, SegmentationObject and SegmentationClass, with PNGs of numbers and of classes"

OBJECT_FOLDERS = ("SegmentationObject", "SegmentationObjectPNG")
VOID = 255
"""In maps of 8 bits: what is ignored. A file of 16 bits has no such number."""

_READERS = 8  # threads: decoders work side by side

Array = np.ndarray[Any, np.dtype[Any]]


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = _find(root)
    return Probe.no(found) if isinstance(found, str) else Probe.yes(_reason(root, found))


def read(root: Path, images: Path | None = None) -> Records:
    """What the masks say; `images` is for likeness with other formats. Raises DataError as `read`."""
    folder = _find(root)
    if isinstance(folder, str):
        raise DataError(f"{root}: {folder}; expected {EXPECTED}")
    pairs = read_masks.read(root)
    classes = build(pairs, None, None)
    beside = Path(read_masks.find_folders(root)[0])
    names = [name for label, name in enumerate(classes.class_names) if not _is_background(label, name)]
    records = Records(root, "voc", _reason(root, folder), [], [beside], class_names=names)
    # What is odd about splits and classes is told of objects, and so anew.
    records.defects += [defect for defect in classes.defects if not defect.note or defect in pairs.defects]
    # Most of VOC's images have no masks, as was noted.
    records.reported = {beside / name for name in walk_files(beside)}
    maps = _maps(folder, pairs.pairs, records.defects)
    kept = [index for index in range(len(classes)) if classes.path(index) in maps]
    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(lambda index: _read_image(classes, index, maps[classes.path(index)]), kept))
    split_of = {pairs.pairs[place][0]: split for split, places in pairs.given.items() for place in places}
    void = pixels = 0
    for image, defects, ignored in found:
        records.defects += defects
        if image is not None:
            void, pixels = void + ignored, pixels + (image.height or 0) * (image.width or 0)
            if split := split_of.get(image.path or image.source):
                records.given.setdefault(split, []).append(len(records.images))
            records.images.append(image)
    if void:
        reason = f"{percent(void, pixels)} of the pixels of objects' maps are {VOID}, which is ignored; background here"
        records.defects.append(Defect(folder, reason, note=True))
    return records


def _reason(root: Path, found: Path) -> str:
    return f"it holds Pascal VOC's masks of objects: {found.relative_to(root)}"


def _find(root: Path) -> Path | str:
    """The folder of maps of objects, or why there is none."""
    sides = read_masks.find_folders(root)
    if isinstance(sides, str):
        return sides
    beside = sides[1].parent
    found = next((beside / name for name in OBJECT_FOLDERS if (beside / name).is_dir()), None)
    if found is None or not holds_image(found):
        return f"no folder SegmentationObject with PNGs lies beside {sides[1].relative_to(root)}"
    return found


def _is_background(label: int, name: str) -> bool:
    """Whether a class is what lies around objects: value 0, as VOC has it, or the class of that name."""
    return label == 0 or name.strip("_").lower() == BACKGROUND


def _maps(folder: Path, pairs: Sequence[tuple[Path, Path]], defects: list[Defect]) -> dict[Path, Path]:
    """The maps of objects by their images; images and maps without each other are told."""
    images = {image.name: image for image, _ in pairs}
    pairing = pair(list(images), [name for name in walk_files(folder) if is_image(name)])
    if bare := pairing.bare_images:
        count = "1 image has" if len(bare) == 1 else f"{len(bare)} images have"
        defects.append(Defect(folder, f"{count} a mask of classes and none of objects, {bare[0]} first; left out"))
    if bare := pairing.bare_masks:
        count = "1 mask has" if len(bare) == 1 else f"{len(bare)} masks have"
        defects.append(Defect(folder, f"{count} no image with a mask of classes, {bare[0]} first; left out"))
    return {images[image]: folder / name for image, name in pairing.pairs}


def _read_image(classes: MaskDataset, index: int, path: Path) -> tuple[ImageRecord | None, list[Defect], int]:
    """The image with its objects, None where it cannot be used, what is wrong, and how many pixels are ignored."""
    size = classes.size(index)
    try:
        numbers = read_numbers(path)
        labels = classes.target(index).classes.numpy()
    except DataError as error:
        where = path if str(error).startswith(str(path)) else classes.mask_path(index)
        return None, [Defect(where, f"{str(error).removeprefix(f'{where}: ')}; the image was left out")], 0
    values, void = numbers.values, numbers.void
    if numbers.narrow and not void:  # beside 254 too
        void = int((values == VOID).sum())
        values = np.where(values == VOID, 0, values)
    if values.shape != size:
        return None, [Defect(path, f"{other_size(size, values.shape)}; both were left out")], 0
    image = ImageRecord(classes.path(index).name, path, path=classes.path(index), height=size[0], width=size[1])
    defects = [Defect(path, f"{reason}; the object was left out") for reason in _fill(image, values, labels, classes)]
    return image, defects, void


def _fill(image: ImageRecord, values: Array, labels: Array, classes: MaskDataset) -> Iterator[str]:
    """Puts the objects of a map into the image; yields why others are none."""
    # All pairs of a number and a class, with the pixels that they share.
    shared, pixels = np.unique(np.stack([values.ravel().astype(np.int64), labels.ravel()]), axis=1, return_counts=True)
    names: dict[int, dict[str, int]] = {}
    for number, label, count in zip(*shared.tolist(), pixels.tolist(), strict=True):
        if label != IGNORE and not _is_background(label, classes.class_names[label]):
            names.setdefault(number, {})[classes.class_names[label]] = count
    for thing in objects_in(values):
        own = names.get(thing.number, {})
        if len(own) == 1:
            outline = {"size": list(values.shape), "counts": thing.text.decode()}
            image.objects.append(ObjectRecord(next(iter(own)), thing.xyxy, segments=outline))
        elif own:
            listed = ", ".join(f"{name} ({count} pixels)" for name, count in own.items())
            yield f"object {thing.number} is of several classes: {listed}"
        else:
            mask = PurePosixPath(classes.masks[0]).parent.name
            yield f"object {thing.number} has no class: its pixels are background or 255 in {mask}"
