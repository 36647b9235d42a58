"""Where images and masks lie: folders side by side, in splits or as splits, or files beside each other.

images/1.jpg masks/1.png               images/train/1.jpg masks/train/1.png
train/images/1.jpg train/masks/1.png   train/1.jpg trainannot/1.png              1.jpg 1_mask.png
1.jpg masks/1.png

Of folders of other names, such as cxr/ and masks/, or photos/ and drawn/, those are images and masks whose files are
named alike, and of which one holds few values.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from zorki.data.annotations.listing import holds_image, is_image, loose_files, subfolders, walk_files
from zorki.data.annotations.masks.pairing import beside, pair
from zorki.data.annotations.masks.stored import StoredMask, read_stored
from zorki.data.annotations.split_words import split_in
from zorki.data.annotations.splits import split_name
from zorki.errors import DataError

IMAGE_WORDS = (
    "images", "image", "imgs", "img", "imgdir", "imagedir", "pictures", "picture", "pics", "photos", "jpegimages",
    "leftimg8bit", "frames", "inputs", "input",
)  # fmt: skip
MASK_WORDS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "annots", "annot", "gtfine", "gt", "groundtruth",
    "segmentations", "segmentation", "segs", "seg", "targets", "target", "anndir", "anns", "maskdir", "trimaps",
)  # fmt: skip
_DEPTH = 2  # folders down to which the pair of folders is looked for
_PROBE_FILES = 4  # masks that are looked at to tell them from images
_FEW = 64  # values at most in what is taken for a mask by its pixels alone
_PLAIN = 0.75  # of the pixels have one of two values in masks of black and white, however smeared
_ALIKE = 0.9  # of the files of the smaller folder have one of their name in the other


@dataclass(frozen=True)
class MaskFolders:
    """A folder of images and one of masks, which may be the same; `split` is what their names say of both."""

    images: Path
    masks: Path
    split: str | None = None

    def files(self) -> tuple[list[str], list[str]]:
        """Images and masks, as paths relative to their folders."""
        if self.images == self.masks:
            return beside([name for name in walk_files(self.images) if is_image(name)])
        names = [name for name in walk_files(self.images) if is_image(name)]
        if self.masks.is_relative_to(self.images):  # masks in a folder among the images
            inner = self.masks.relative_to(self.images).as_posix() + "/"
            names = [name for name in names if not name.startswith(inner)]
        return names, [name for name in walk_files(self.masks) if is_image(name)]

    def split_of(self, image: Path, mask: Path) -> str | None:
        """The split of one of its pairs, by the folders that lie in its folders: images/train/1.jpg."""
        inner = [path.relative_to(folder).parts for path, folder in ((image, self.images), (mask, self.masks))]
        return self.split or split_name(inner[0][0]) or split_name(inner[1][0])


@dataclass(frozen=True)
class MaskLayout:
    """All parts of a dataset, and folders of splits whose images have no masks."""

    folder: Path
    parts: tuple[MaskFolders, ...]
    bare: tuple[Path, ...] = ()


def find_layout(root: Path) -> MaskLayout | str:
    """The layout in `root`, or in the one folder of it, or of that, which has one; or why there is none."""
    if not root.is_dir():
        return "it is not a folder" if root.exists() else "it is neither a file nor a folder"
    folders = [root]
    for _ in range(_DEPTH + 1):
        found = [layout for folder in folders if (layout := _layout_of(folder)) is not None]
        if len(found) == 1:
            return found[0]
        if found and not _holds_pairs(root):
            names = ", ".join(str(layout.folder.relative_to(root)) for layout in found)
            return f"several folders in it hold images with masks: {names}; name one of them"
        folders = [folder / name for folder in folders for name in subfolders(folder)]
    if _holds_pairs(root):  # in folders that are neither splits nor alone
        return MaskLayout(root, (MaskFolders(root, root),))
    return "no folder of images lies beside one of masks in it"


def _layout_of(folder: Path) -> MaskLayout | None:
    for search in (_side_by_side, _within_splits, _as_splits, _beside_each_other, _among_images):
        if (layout := search(folder)) is not None:
            return layout
    return None


def _side_by_side(folder: Path) -> MaskLayout | None:
    """images/ and masks/."""
    sides = _sides(folder)
    return None if sides is None else MaskLayout(folder, (MaskFolders(*sides),))


def _within_splits(folder: Path) -> MaskLayout | None:
    """train/images/ and train/masks/; test/ may hold images alone."""
    parts, bare = [], []
    for name in subfolders(folder):
        if (split := split_in(name)) is None:
            continue
        if (sides := _sides(folder / name)) is not None:
            parts.append(MaskFolders(*sides, split))
        elif holds_image(folder / name):
            bare.append(folder / name)
    return MaskLayout(folder, tuple(parts), tuple(bare)) if parts else None


def _as_splits(folder: Path) -> MaskLayout | None:
    """train/ and trainannot/; train_images/ and train_masks/, images_train/ and masks_train/."""
    plain: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for name in subfolders(folder):
        for split, kind in _readings(name):
            if kind == "mask" and holds_image(folder / name):
                masks.setdefault(split, folder / name)
            elif kind == "image" and holds_image(folder / name):
                plain.setdefault(split, folder / name)
    parts = tuple(MaskFolders(plain[split], masks[split], split) for split in plain if split in masks)
    bare = tuple(plain[split] for split in plain if split not in masks)
    return MaskLayout(folder, parts, bare) if parts else None


def _readings(name: str) -> Iterator[tuple[str, str]]:
    """What a folder's name may mean: (split, "mask" or "image")."""
    word = re.sub(r"[^a-z0-9]", "", name.lower())
    if (split := split_in(word)) is not None:
        yield split, "image"
        return
    for kind, endings in (("mask", MASK_WORDS), ("image", IMAGE_WORDS)):
        for ending in endings:
            for rest in (word.removesuffix(ending), word.removeprefix(ending)):
                if rest != word and (split := split_in(rest)) is not None:
                    yield split, kind
                    return


def _beside_each_other(folder: Path) -> MaskLayout | None:
    """1.jpg and 1_mask.png in one folder, which may have splits below it."""
    files = [name for name in loose_files(folder) if is_image(name)]
    splits = [(folder / name, split) for name in subfolders(folder) if (split := split_in(name)) is not None]
    if files and beside(files)[1]:
        return MaskLayout(folder, (MaskFolders(folder, folder),))
    parts = [MaskFolders(path, path, split) for path, split in splits if _holds_pairs(path)]
    bare = [path for path, _ in splits if not _holds_pairs(path) and holds_image(path)]
    return MaskLayout(folder, tuple(parts), tuple(bare)) if parts else None


def _holds_pairs(folder: Path) -> bool:
    return bool(beside([name for name in walk_files(folder) if is_image(name)])[1])


def _among_images(folder: Path) -> MaskLayout | None:
    """1.jpg, and masks/1.png in a folder beside it."""
    masks = _by_word(folder, MASK_WORDS)
    if masks is None or not any(is_image(name) for name in loose_files(folder)):
        return None
    part = MaskFolders(folder, masks)
    return MaskLayout(folder, (part,)) if pair(*part.files()).pairs else None


def _sides(folder: Path) -> tuple[Path, Path] | None:
    """The folder of images and that of masks in a folder; both hold images.

    By their usual names; else where the names of their files are alike, and one of them holds few values: it is the
    masks, and if a folder is called as masks are, it is that one.
    """
    images, masks = _by_word(folder, IMAGE_WORDS), _by_word(folder, MASK_WORDS)
    if images is not None and masks is not None:
        return images, masks
    if images is not None:
        return None  # what lies beside images under another name may be anything
    others = [folder / name for name in subfolders(folder) if split_in(name) is None]
    others = [one for one in others if one != masks and holds_image(one)]
    if masks is not None:
        alike = [one for one in others if _share_names(one, masks)]
        return (alike[0], masks) if len(alike) == 1 and _tells_masks(alike[0], masks) else None
    if len(others) != 2 or not _share_names(*others):
        return None
    return next(((one, other) for one, other in permutations(others) if _tells_masks(one, other)), None)


def _by_word(folder: Path, words: Sequence[str]) -> Path | None:
    """The folder of images that is called by one of the words, the first one first."""
    names = {re.sub(r"[^a-z0-9]", "", name.lower()): folder / name for name in reversed(subfolders(folder))}
    return next((names[word] for word in words if word in names and holds_image(names[word])), None)


def are_images_and_masks(layout: MaskLayout) -> bool:
    """Whether the files of a layout are named alike, and its masks hold few values: no two classes of images."""
    part = layout.parts[0]
    return part.images != part.masks and _share_names(*part.files()) and _all(part.masks, _has_few_values)


def _tells_masks(images: Path, masks: Path) -> bool:
    """Whether one folder holds few values, as gray or indices, and the other many, or colors, or photographs."""
    if not _all(masks, _has_few_values):
        return False
    return not _all(images, _has_few_values) or (_all(masks, _holds_numbers) and not _all(images, _holds_numbers))


def _holds_numbers(stored: StoredMask) -> bool:
    return not stored.rgb and not stored.lossy


def _share_names(images: Path | Sequence[str], masks: Path | Sequence[str]) -> bool:
    """Whether nearly all files of the smaller folder have one of their name in the other."""
    sides = [[name for name in walk_files(side) if is_image(name)] if isinstance(side, Path) else list(side)
             for side in (images, masks)]  # fmt: skip
    return len(pair(*sides).pairs) >= _ALIKE * min(map(len, sides))


def _all(folder: Path, test: Callable[[StoredMask], bool]) -> bool:
    """Whether some images of a folder are all so; what cannot be read tells nothing."""
    names = [name for name in walk_files(folder) if is_image(name)]
    found = []
    for name in names[:: max(1, len(names) // _PROBE_FILES)][:_PROBE_FILES]:
        with contextlib.suppress(DataError):
            found.append(test(read_stored(folder / name)))
    return bool(found) and all(found)


def _has_few_values(stored: StoredMask) -> bool:
    """Whether an image holds few values or colors, or black and white with shades between."""
    try:
        counts = stored.counts()
    except DataError:
        return False
    common = sorted(counts.values(), reverse=True)
    return len(common) <= _FEW or sum(common[:2]) >= _PLAIN * sum(common)
