"""Pascal VOC's masks of classes: a PNG with a palette for each image (Everingham et al., 2010).

    JPEGImages/0001.jpg   SegmentationClass/0001.png   ImageSets/Segmentation/{train,val,trainval,test}.txt

Indices are classes, and 255 is the seam around objects, which is ignored. Names are VOC's 21 where the indices fit,
or those of a file such as classes.txt, or CVAT's labelmap.txt, whose masks hold colors. All of it may lie one or two
folders down (VOCdevkit/VOC2012).
"""

from __future__ import annotations

from pathlib import Path

from zorki.data.annotations.image_lists import lists_in, read_splits
from zorki.data.annotations.listing import holds_image, is_image, subfolders, walk_files
from zorki.data.annotations.masks.build import MaskRecords
from zorki.data.annotations.masks.pairing import pair
from zorki.data.formats.probe import Probe
from zorki.errors import DataError
from zorki.types import Defect

EXPECTED = "folders JPEGImages and SegmentationClass, with a PNG of class indices for each image"

IMAGE_FOLDERS = ("JPEGImages", "Images", "images")
MASK_FOLDERS = ("SegmentationClass", "SegmentationClassPNG", "SegmentationClassAug", "SegmentationClassRaw")
_LIST_FOLDERS = ("Segmentation", "SegmentationAug", "Main", "")
_DEPTH = 2  # folders down to which a VOC folder is looked for


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    found = find_folders(root)
    return Probe.no(found) if isinstance(found, str) else Probe.yes(_reason(root, found))


def read(root: Path) -> MaskRecords:
    """The pairs of images and masks, and their splits. Raises DataError where there is no such folder, or no pair."""
    found = find_folders(root)
    if isinstance(found, str):
        raise DataError(f"{root}: {found}; expected {EXPECTED}")
    images, masks = found
    folder = masks.parent
    records = MaskRecords(root, "voc", _reason(root, found), [], name_folders=[folder, root], usual="voc")
    pairing = pair(*([name for name in walk_files(side) if is_image(name)] for side in found))
    records.pairs = [(images / image, masks / mask) for image, mask in pairing.pairs]
    if not records.pairs:
        raise DataError(f"{root}: no mask in {masks} is named like an image in {images}; expected 1.jpg and 1.png")
    if bare := pairing.bare_images:
        reason = f"{_count(len(bare), 'image has', 'images have')} no mask, {bare[0]} first; left out"
        records.defects.append(Defect(images, reason, note=True))
    if bare := pairing.bare_masks:
        reason = f"{_count(len(bare), 'mask has', 'masks have')} no image, {bare[0]} first; left out"
        records.defects.append(Defect(masks, reason))
    for name in _LIST_FOLDERS:
        if lists := lists_in(folder / "ImageSets" / name):
            given, defects = read_splits(lists, [image.relative_to(images).as_posix() for image, _ in records.pairs])
            records.given, records.defects = given, records.defects + defects
            break
    return records


def find_folders(root: Path) -> tuple[Path, Path] | str:
    """The folders of images and of masks, or why there are none."""
    if not root.is_dir():
        return "it is not a folder" if root.exists() else "it is neither a file nor a folder"
    folders = [root]
    for _ in range(_DEPTH + 1):
        found = [sides for folder in folders if (sides := _sides(folder)) is not None]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(str(masks.parent.relative_to(root)) for _, masks in found)
            return f"several folders in it hold such data: {names}; name one of them"
        folders = [folder / name for folder in folders for name in subfolders(folder)]
    return "no folder in it holds SegmentationClass with masks beside JPEGImages with images"


def _sides(folder: Path) -> tuple[Path, Path] | None:
    images = next((folder / name for name in IMAGE_FOLDERS if _holds(folder / name)), None)
    masks = next((folder / name for name in MASK_FOLDERS if _holds(folder / name)), None)
    return None if images is None or masks is None else (images, masks)


def _holds(folder: Path) -> bool:
    return folder.is_dir() and holds_image(folder)


def _reason(root: Path, found: tuple[Path, Path]) -> str:
    images, masks = (path.relative_to(root) for path in found)
    return f"it holds Pascal VOC's masks of classes: {masks} beside {images}"


def _count(number: int, one: str, many: str) -> str:
    return f"1 {one}" if number == 1 else f"{number} {many}"
