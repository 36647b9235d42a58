"""Which split a file of results is about: the one that holds the images of its entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zorki.errors import DataError
from zorki.tasks.detection.prediction_files.coco_results import ResultEntries
from zorki.tasks.detection.prediction_files.image_names import ImageNames
from zorki.types import Defect

ALL = "all"
_PREFERENCE = ("test", "val", "train")  # of splits that hold the same images


@dataclass(frozen=True)
class SplitImages:
    """The images of a dataset as a file of results may name them.

    Args:
        names: paths of all images.
        ids: their numbers, where the data give such.
        splits: places in `names`.
        split_reason: where the splits come from, for messages.
    """

    names: Sequence[str]
    ids: Sequence[Any] | None
    splits: Mapping[str, Sequence[int]]
    split_reason: str

    def words(self, places: Sequence[int] | None = None) -> ImageNames:
        """What the images may be called; with `places`, these alone."""
        if places is None:
            return ImageNames(self.names, ids=self.ids)
        ids = None if self.ids is None else [self.ids[place] for place in places]
        return ImageNames([self.names[place] for place in places], ids=ids)


def choose_split(
    found: ResultEntries, images: SplitImages, root: Path, split: str | None = None
) -> tuple[str, list[Defect]]:
    """The split to evaluate: the one asked for, else the one that holds all images of the entries, which is told.

    Entries of images of every split are evaluated on all images. Images that the data do not know decide nothing.

    Raises:
        DataError: there is no split of that name, or several could be meant.
    """
    splits = {name: frozenset(places) for name, places in images.splits.items() if places}
    if split is not None:
        if split not in (ALL, *images.splits):
            places_found = ", ".join(dict.fromkeys([ALL, *images.splits]))
            raise DataError(f"{root}: has no split {split!r}; expected one of {places_found} ({images.split_reason})")
        return split, []
    if len(splits) < 2 and all(len(places) == len(images.names) for places in splits.values()):
        return ALL, []
    counts, total = _images_by_split(found, images, splits)
    if not total:
        return ALL, []
    holding = [name for name, count in counts.items() if count == total]
    shown = " and ".join(f"{name} ({count} of {len(splits[name])})" for name, count in counts.items() if count)
    if len({splits[name] for name in holding}) == 1:
        chosen = next((name for name in _PREFERENCE if name in holding), holding[0])
        reason = f"its predictions are of images of {chosen}: evaluated on its {len(splits[chosen])} images"
        return chosen, [Defect(found.path, f"{reason}; --split takes others", note=True)]
    if not holding and all(counts.values()):
        reason = f"its predictions are of images of {shown}: evaluated on all {len(images.names)} images"
        return ALL, [Defect(found.path, f"{reason}; --split takes one", note=True)]
    options = ", ".join(f"--split {name}" for name in (*splits, ALL))
    raise DataError(
        f"{found.path}: its predictions are of images of {shown or 'no split'} of {root}, which does not tell on what "
        f"to evaluate them; say one of {options}"
    )


def _images_by_split(
    found: ResultEntries, images: SplitImages, splits: Mapping[str, frozenset[int]]
) -> tuple[dict[str, int], int]:
    """How many images of the entries each split has, and how many the data have.

    Images that are told apart in all data decide; only where there is none, names and numbers that each split has anew.
    """
    image_words = dict.fromkeys(map(found.image_words, found.entries))
    whole = images.words()
    places_found = {place for words in image_words if (place := whole.find(*words)) >= 0}
    if places_found:
        return {name: len(places_found & places) for name, places in splits.items()}, len(places_found)
    parts = {name: images.words(sorted(places)) for name, places in splits.items()}
    hits = {name: {words for words in image_words if part.find(*words) >= 0} for name, part in parts.items()}
    return {name: len(own) for name, own in hits.items()}, len(set[Any]().union(*hits.values()))
