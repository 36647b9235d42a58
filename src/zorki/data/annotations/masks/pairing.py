"""Which mask belongs to which image, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

# What sets of data add to the names of masks, best first where an image has several: Cityscapes', CamVid's, ISIC's,
# DRIVE's, Carvana's, and plain words. In small letters; "-", "." and " " count as "_".
MASK_ENDINGS = (
    "_gtfine_labeltrainids", "_gtfine_labelids", "_gtcoarse_labelids", "_labeltrainids", "_labelids", "_mask", "_masks",
    "_label", "_labels", "_l", "_seg", "_segmentation", "_gt", "_groundtruth", "_ground_truth", "_annot", "_annotation",
    "_manual1", "_p", "_lab",
)  # fmt: skip
_IMAGE_ENDINGS = ("_leftimg8bit", "_image", "_img", "_sat", "_training", "_rgb")
_BEGINNINGS = re.compile(r"(mask|label|seg|gt|annot|image|img|im|picture|frame)s?_?(?=.)")
_BESIDE = ("_mask", "_masks", "_label", "_labels", "_seg", "_segmentation", "_gt", "_groundtruth", "_annot")
_KNOWN_OTHERS = re.compile(r"_(color|colour|instanceids|instancetrainids)$")  # Cityscapes', which nobody need miss

_SEPARATORS = str.maketrans("-. ", "___")


@dataclass
class Pairing:
    """Images with their masks, and those of each that have no other."""

    pairs: list[tuple[str, str]]
    bare_images: list[str]
    bare_masks: list[str]


def pair(images: Sequence[str], masks: Sequence[str]) -> Pairing:
    """Pairs by path without suffix; then without what sets add to names; then, where that is unlike, without folders.

    Args:
        images, masks: paths relative to their folders.
    """
    taken: dict[str, tuple[int, str]] = {}  # of each image, the best mask and how good it fits
    owners: list[dict[str, list[str]]] = [{}, {}, {}, {}]  # see `_keys`
    for image in images:
        for owner, key in zip(owners, _keys(image, _IMAGE_ENDINGS), strict=True):
            owner.setdefault(key, []).append(image)
    bare_masks = []
    for mask in masks:
        found = next(((rank, own[0]) for rank, own in _candidates(mask, owners)), None)
        if found is None:
            if not _KNOWN_OTHERS.search(_stem(mask)):
                bare_masks.append(mask)
            continue
        rank, image = found
        if image not in taken or rank < taken[image][0]:
            taken[image] = (rank, mask)
    pairs = [(image, taken[image][1]) for image in images if image in taken]
    return Pairing(pairs, [image for image in images if image not in taken], bare_masks)


def beside(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Images and masks of one folder, in which masks have a word more in their names: 1.jpg and 1_mask.png."""
    stems = [_stem(name) for name in names]
    known = set(stems)
    are_masks = [any(_cut(stem, (ending,)) in known for ending in _BESIDE) for stem in stems]
    parted = list(zip(names, are_masks, strict=True))
    return [name for name, is_mask in parted if not is_mask], [name for name, is_mask in parted if is_mask]


def _candidates(mask: str, owners: Sequence[dict[str, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """Images of a mask, and how far from its name: the name itself, one of the endings, a beginning, the folder."""
    exact, loose, plain, bare = owners
    keys = _keys(mask, MASK_ENDINGS)
    for rank, (owner, key) in enumerate(((exact, keys[0]), (loose, keys[1]))):
        if key in owner:
            yield rank, owner[key]
    for rank, ending in enumerate(MASK_ENDINGS, 2):
        if (cut := _cut(keys[1], (ending,))) is not None:
            for owner in (loose, plain):
                if cut in owner:
                    yield rank, owner[cut]
    rank = len(MASK_ENDINGS) + 2
    if keys[2] in plain:
        yield rank, plain[keys[2]]
    if len(own := bare.get(keys[3], [])) == 1:
        yield rank + 1, own


def _keys(name: str, endings: Sequence[str] = ()) -> tuple[str, str, str, str]:
    """What two names may have in common: all; all but case and separators; their middle; that without folders."""
    loose = _stem(name)
    plain = _plain(loose, endings)
    return name.rpartition(".")[0], loose, plain, plain.rpartition("/")[2]


def _stem(name: str) -> str:
    """The path without its suffix, in small letters, with "_" for what separates words."""
    # No path of pathlib's: whether a folder holds pairs is asked of all its files, several times over.
    folder, slash, base = name.rpartition("/")
    dot = base.rfind(".")
    stem = base[:dot] if 0 < dot < len(base) - 1 else base
    return folder + slash + stem.lower().translate(_SEPARATORS)


def _cut(stem: str, endings: Sequence[str]) -> str | None:
    """Without the first of the endings that it has; None where it has none."""
    for ending in endings:
        if stem.endswith(ending) and len(stem) > len(ending) and not stem.endswith(f"/{ending}"):
            return stem.removesuffix(ending)
    return None


def _plain(stem: str, endings: Sequence[str]) -> str:
    """Without beginning and ending that tell images and masks apart."""
    path = PurePosixPath(_cut(stem, endings) or stem)
    return str(path.with_name(_BEGINNINGS.sub("", path.name, count=1) or path.name))
