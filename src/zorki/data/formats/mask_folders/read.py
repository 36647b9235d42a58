"""Images and masks in files of their own, paired by a list or by their names.

    train.txt          a line "train/1.jpg trainannot/1.png" for each image, as SegNet's CamVid
    images/ masks/     and their like, see `mask_layouts`; with names in classes.txt or colors in colors.txt

Masks hold a number for every pixel, as gray or as indices of a palette, which is looked at for colors alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from zorki.data.annotations.find_images import ImageFinder
from zorki.data.annotations.image_lists import lines_of, lists_in, read_splits, two_paths
from zorki.data.annotations.listing import is_image, walk_files
from zorki.data.annotations.masks.build import MaskRecords
from zorki.data.annotations.masks.layout import MaskFolders, MaskLayout, find_layout
from zorki.data.annotations.masks.pairing import pair
from zorki.data.annotations.splits import split_name
from zorki.data.formats.probe import Probe
from zorki.errors import DataError
from zorki.types import Defect

EXPECTED = "lists with an image and a mask in every line, or folders such as images and masks with files of like names"

_PROBE_LINES = 10  # lines that are looked at to recognize a list


def probe(root: Path) -> Probe:
    """Whether `root` is of this format, and why or why not."""
    if root.is_dir() and (lists := _paired_lists(root)):
        return Probe.yes(_lists_reason(lists))
    layout = find_layout(root)
    return Probe.no(layout) if isinstance(layout, str) else Probe.yes(_reason(root, layout))


def read(root: Path) -> MaskRecords:
    """The images that have a mask. Lists go before folders; of folders, see `find_layout`.

    Splits are the lists, or folders named train, val and test, or lists of images beside the folders. Images
    without mask and masks without image are left out, and told.

    Raises:
        DataError: there is no such folder, or no pair in it.
    """
    if root.is_dir() and (lists := _paired_lists(root)):
        records = _read_lists(root, lists)
    else:
        layout = find_layout(root)
        if isinstance(layout, str):
            raise DataError(f"{root}: {layout}; expected {EXPECTED}")
        records = _read_layout(root, layout)
    if not records.pairs:
        first = "".join(f"\n  {defect}" for defect in records.defects[:3])
        raise DataError(f"{root}: {records.reason}, but no image and mask belong together by their names{first}")
    if all(_is_segnets(image, mask) for image, mask in records.pairs):
        records.usual = "camvid"
    return records


def _is_segnets(image: Path, mask: Path) -> bool:
    return mask.parent.name.lower() == f"{image.parent.name.lower()}annot"


# -- lists --


def _paired_lists(root: Path) -> dict[Path, str]:
    """The lists that name an image and a mask, both there, in one of their first lines."""
    lists = lists_in(root)
    finder = ImageFinder([root])
    return {path: split for path, split in lists.items() if _names_pairs(path, finder)}


def _lists_reason(lists: dict[Path, str]) -> str:
    names = ", ".join(path.name for path in lists)
    return f"{names} {'names' if len(lists) == 1 else 'name'} an image and its mask in every line"


def _names_pairs(path: Path, finder: ImageFinder) -> bool:
    return any(_locate(text, finder) is not None for _, text in islice(lines_of(path), _PROBE_LINES))


def _locate(line: str, finder: ImageFinder) -> tuple[Path, Path] | None:
    """The image and the mask that a line names, if both are there."""
    for first, second in two_paths(line):
        image, mask = finder.find(first), finder.find(second)
        if image is not None and mask is not None and image != mask:
            return image, mask
    return None


def _read_lists(root: Path, lists: dict[Path, str]) -> MaskRecords:
    records = MaskRecords(root, "mask_folders", _lists_reason(lists), [], name_folders=[root])
    finder = ImageFinder([root])
    places: dict[Path, int] = {}
    for path, split in lists.items():
        members = records.given.setdefault(split, [])
        for number, text in lines_of(path):
            found = _locate(text, finder)
            if found is None:
                records.defects.append(Defect(path, f"{_missing(text, finder)}; left out", number))
            elif found[0] not in places:
                places[found[0]] = len(records.pairs)
                members.append(len(records.pairs))
                records.pairs.append(found)
            elif records.pairs[places[found[0]]] != found:
                reason = f"{found[0].name} was named before with another mask; this line was left out"
                records.defects.append(Defect(path, reason, number))
            elif places[found[0]] in members:
                records.defects.append(Defect(path, f"{found[0].name} was named before; left out", number))
            else:
                members.append(places[found[0]])
    return records


def _missing(line: str, finder: ImageFinder) -> str:
    """What is wrong with a line."""
    cuts = two_paths(line)
    if not cuts:
        return f"{line[:80]!r} names no image and mask; expected two paths in the line"
    image, mask = cuts[0]
    return f"there is no image {image!r}" if finder.find(image) is None else f"there is no mask {mask!r}"


# -- folders --


def _reason(root: Path, layout: MaskLayout) -> str:
    part = layout.parts[0]
    if part.images == part.masks:
        return "images lie beside masks with a word more in their names, such as 1.jpg and 1_mask.png"
    names = [path.relative_to(root).as_posix() for path in (part.images, part.masks)]
    names = ["the folder itself" if name == "." else name for name in names]
    splits = f" for {', '.join(one.split for one in layout.parts if one.split)}" if part.split else ""
    return f"it holds folders of images and of masks{splits}: {names[0]} and {names[1]}"


def _read_layout(root: Path, layout: MaskLayout) -> MaskRecords:
    above = [layout.folder, *(part.masks.parent for part in layout.parts), *(part.masks for part in layout.parts)]
    records = MaskRecords(root, "mask_folders", _reason(root, layout), [], name_folders=[root, *above])
    for part in layout.parts:
        _read_part(records, part)
    for folder in layout.bare:
        count = sum(is_image(name) for name in walk_files(folder))
        reason = f"{count} image{' has' if count == 1 else 's have'} no masks; left out"
        records.defects.append(Defect(folder, reason, note=True))
    if not records.given:
        _read_lists_beside(records, [root, layout.folder])
    if "trainval" in records.given:
        own = records.given.pop("trainval")
        if not {"train", "val"} & records.given.keys():
            records.given["train"] = own
    return records


def _read_part(records: MaskRecords, part: MaskFolders) -> None:
    images, masks = part.files()
    found = pair(images, masks)
    for image, mask in found.pairs:
        paths = part.images / image, part.masks / mask
        if (split := part.split_of(*paths)) is not None:
            records.given.setdefault(split, []).append(len(records.pairs))
        records.pairs.append(paths)
    note = part.split == "test" and not found.pairs
    if part.images != part.masks or found.pairs:
        records.defects += _left_over(part.images, found.bare_images, "image", "mask", note)
    records.defects += _left_over(part.masks, found.bare_masks, "mask", "image", False)


def _left_over(folder: Path, names: Sequence[str], what: str, other: str, note: bool) -> list[Defect]:
    """One defect for all files of a folder that have no counterpart; of a test split's folder, one for that too."""
    by_split: dict[str | None, list[str]] = {}
    for name in names:
        by_split.setdefault(split_name(name.split("/")[0]) if "/" in name else None, []).append(name)
    defects = []
    for own in by_split.values():
        count = f"1 {what} ({own[0]}) has" if len(own) == 1 else f"{len(own)} {what}s ({own[0]}, ...) have"
        defects.append(Defect(folder, f"{count} no {other}; left out", note=note))
    return defects


def _read_lists_beside(records: MaskRecords, folders: Sequence[Path]) -> None:
    """Splits of folders without any, from lists of one image a line."""
    for folder in dict.fromkeys(folders):
        for place in (folder, folder / "splits", folder / "lists", folder / "ImageSets" / "Segmentation"):
            if lists := lists_in(place):
                names = [image.as_posix() for image, _ in records.pairs]
                given, defects = read_splits(lists, names)
                if any(given.values()):
                    records.given.update(given)
                    records.defects += defects
                    return
