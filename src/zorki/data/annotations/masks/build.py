"""From pairs of image and mask to a dataset: masks looked at, classes and splits put in order, all defects told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zorki.class_selection import ClassSelection
from zorki.data.annotations.masks.class_names import find_names
from zorki.data.annotations.masks.color_fringes import fringe_colors
from zorki.data.annotations.masks.dataset import IGNORE, MaskDataset, other_size
from zorki.data.annotations.masks.interpretation import Hints, Interpretation, decide
from zorki.data.annotations.masks.levels import percent
from zorki.data.annotations.masks.stored import color_of, shown_colors
from zorki.data.annotations.masks.value_counts import ValueCounts, count_values, total
from zorki.data.annotations.outside import outside_notes
from zorki.data.annotations.split_notes import split_notes
from zorki.data.annotations.splits import complete_splits
from zorki.data.images import MAX_PIXELS
from zorki.errors import DataError
from zorki.types import Defect

Array = np.ndarray[Any, np.dtype[Any]]

_SHOWN = 3  # values in a message
_NOTABLE = 0.01  # of the pixels


@dataclass
class MaskRecords:
    """What a format found: which mask belongs to which image, before any of them is opened.

    Args:
        pairs: (image, mask), no image twice.
        given: places in `pairs` by the data's own words for splits.
        name_folders: where files that name the classes may lie, best first.
        usual: the names that the layout stands for, "camvid" or "voc".
    """

    root: Path
    format: str
    reason: str
    pairs: list[tuple[Path, Path]]
    given: dict[str, list[int]] = field(default_factory=dict)
    name_folders: Sequence[Path] = ()
    usual: str | None = None
    defects: list[Defect] = field(default_factory=list)

    def build(
        self,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> MaskDataset:
        """The dataset. Raises DataError as the function of this name."""
        return build(self, class_names, max_pixels, selection)


def build(
    records: MaskRecords,
    class_names: Sequence[str] | None = None,
    max_pixels: int | None = None,
    selection: ClassSelection | None = None,
) -> MaskDataset:
    """The dataset of the pairs that fit.

    Left out are pairs of which a file cannot be read, or whose sizes differ, and masks of which every pixel is
    ignored. Pixels with a value that is no class are ignored. Each is told.

    Raises:
        DataError: no pair is left, or `decide` cannot tell what the masks mean.
    """
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    defects = [*records.defects, *outside_notes()]
    all_counts = fitting_counts(records.pairs, count_values(records.pairs, limit), defects)
    if not all_counts:
        raise none_left(records.root, len(records.pairs), defects)
    values, colors = find_names([folder for folder in records.name_folders if folder.is_dir()])
    hints = Hints(records.root, values, colors, records.usual)
    meaning = decide(
        {records.pairs[place][1]: mask_counts for place, mask_counts in all_counts.items()},
        hints,
        class_names,
        selection,
    )
    all_counts = {place: meaning.all_counts[records.pairs[place][1]] for place in all_counts}
    kept, counts = _fitting_masks(records, all_counts, meaning, defects)
    if not kept:
        raise none_left(records.root, len(records.pairs), defects)
    folder = records.root if records.root.is_dir() else records.root.parent
    names = [relative_name(records.pairs[place][0], folder) for place in kept]
    new = {old: place for place, old in enumerate(kept)}
    given = {word: sorted({new[old] for old in olds if old in new}) for word, olds in records.given.items()}
    splits, split_reason = complete_splits(given, names)
    defects += meaning.notes + split_notes(records.root, splits, names)
    if class_names is None:
        defects += one_class_note(records.root, meaning.class_names, counts)
    defects += unseen_notes(records.root, meaning.class_names, counts, splits)
    defects += _ignored(records.root, all_counts.values(), meaning)
    return MaskDataset(
        records.root, folder, records.format, records.reason, meaning.class_names, names,
        masks=[relative_name(records.pairs[place][1], folder) for place in kept],
        sizes=np.array([all_counts[place].size for place in kept], np.int32),
        class_map=meaning.class_map, counts=counts,
        splits=splits, split_reason=split_reason, palette=meaning.palette, defects=defects, max_pixels=limit,
    )  # fmt: skip


def fitting_counts(
    pairs: Sequence[tuple[Path, Path]], all_counts: Sequence[ValueCounts | tuple[Path, str]], defects: list[Defect]
) -> dict[int, ValueCounts]:
    """The counts of pairs that could be read and are of one size, by their places."""
    fitting: dict[int, ValueCounts] = {}
    for place, mask_counts in enumerate(all_counts):
        if isinstance(mask_counts, tuple):
            path, reason = mask_counts
            other = "its mask" if path == pairs[place][0] else "its image"
            defects.append(Defect(path, f"{reason}; left out, and {other} with it"))
        elif mask_counts.size != mask_counts.image_size:
            reason = other_size(mask_counts.image_size, mask_counts.size)
            defects.append(Defect(pairs[place][1], f"{reason}; both were left out"))
        else:
            fitting[place] = mask_counts
    return fitting


def _fitting_masks(
    records: MaskRecords, all_counts: Mapping[int, ValueCounts], meaning: Interpretation, defects: list[Defect]
) -> tuple[list[int], Array]:
    """The places of masks in which a pixel is valid, and the pixels of each class in them, (N, K)."""
    kept: list[int] = []
    rows: list[Array] = []
    by_color = meaning.class_map.by_color
    fringes = fringe_colors(all_counts.values(), meaning.names) if by_color else set()
    for place, mask_counts in all_counts.items():
        found = mask_counts.colors() if by_color else mask_counts.values()
        keys, pixels = np.array(list(found), np.int64), np.array(list(found.values()), np.int64)
        labels = meaning.class_map.look_up(keys)
        row = np.bincount(labels, pixels, 256)[: len(meaning.class_names)].astype(np.int64)
        strange = {key: count for key, count in found.items() if key not in meaning.names}
        if by_color and mask_counts.palette is not None and 255 in mask_counts.counts:
            strange.pop(int(shown_colors(mask_counts.palette)[255]), None)  # nobody's, in whatever color it is shown
        path = records.pairs[place][1]
        strange = {key: count for key, count in strange.items() if key not in fringes}
        if strange:
            defects.append(Defect(path, _strange(strange, meaning)))
        if row.any():
            kept.append(place)
            rows.append(row)
        else:
            reason = "every pixel is ignored, so that there is nothing to learn or to evaluate; left out with its image"
            defects.append(Defect(path, reason))
    defects += _fringes(records.root, all_counts.values(), fringes)
    return kept, np.stack(rows) if rows else np.zeros((0, len(meaning.class_names)), np.int64)


def _fringes(root: Path, all_counts: Iterable[ValueCounts], fringes: set[int]) -> list[Defect]:
    """A note on colors of smoothed edges."""
    if not fringes:
        return []
    counts = total(mask_counts.colors() for mask_counts in all_counts)
    share = percent(sum(counts[color] for color in fringes), sum(counts.values()))
    colors = "1 color is a mix" if len(fringes) == 1 else f"{len(fringes)} colors are mixes"
    reason = f"{colors} of the classes' own, in {share} of the pixels, as at smoothed edges: ignored"
    return [Defect(root, f"{reason}; export masks without smoothing to have them", note=True)]


def _strange(found: Mapping[int, int], meaning: Interpretation) -> str:
    """What to say of values, or colors, that are no class."""
    common = sorted(found, key=lambda key: -found[key])
    shown = [str(color_of(key)) if meaning.class_map.by_color else str(key) for key in common[:3]]
    what = "color" if meaning.class_map.by_color else "value"
    listed = f"{what} {shown[0]} is" if len(common) == 1 else f"{what}s {', '.join(shown)}"
    if len(common) > 1:
        listed += f", ... ({len(common)} in all) are" if len(common) > 3 else " are"
    count = sum(found.values())
    pixels = "1 pixel was" if count == 1 else f"{count:,} pixels were"
    if meaning.class_map.by_color:
        among = f"none of the {len(meaning.class_names)} classes"
    else:
        valid = [key for key, name in meaning.names.items() if name is not None]
        among = f"no class (there are {_range(valid)})"
    return f"{listed} {among}; {pixels} ignored"


def _range(keys: Sequence[int]) -> str:
    """Numbers in few words: "0 to 10", or some of them."""
    keys = sorted(keys)
    if len(keys) > 2 and keys[-1] - keys[0] == len(keys) - 1:
        return f"{keys[0]} to {keys[-1]}"
    return ", ".join(map(str, keys[:8])) + (", ..." if len(keys) > 8 else "")


def one_class_note(root: Path, class_names: Sequence[str], counts: Array) -> list[Defect]:
    """A note where all masks show one and the same class, as empty ones do: nothing can be learned from them."""
    shown = np.flatnonzero(counts.sum(0))
    if len(shown) > 1:
        return []
    return [Defect(root, f"every valid pixel of every mask is of one class, {class_names[shown[0]]!r}", note=True)]


def unseen_notes(
    root: Path, class_names: Sequence[str], counts: Array, splits: Mapping[str, Sequence[int]]
) -> list[Defect]:
    """A note for each class that another split shows, and train, where there is one, does not."""
    if "train" not in splits:
        return []
    learned = counts[list(splits["train"])].sum(0)
    notes = []
    for split in (split for split in splits if split != "train"):
        shown = (counts[list(splits[split])] > 0).sum(0)
        for label in np.flatnonzero((shown > 0) & (learned == 0)).tolist():
            count = f"{shown[label]} image{'' if shown[label] == 1 else 's'}"
            reason = f"class {class_names[label]!r} is in {count} of {split} and in none of train"
            notes.append(Defect(root, reason, note=True))
    return notes


def _ignored(root: Path, all_counts: Iterable[ValueCounts], meaning: Interpretation) -> list[Defect]:
    """A note that says which share of the pixels is ignored, and by which values or colors, the commonest first."""
    counts = total(
        mask_counts.colors() if meaning.class_map.by_color else mask_counts.values() for mask_counts in all_counts
    )
    keys = np.array(list(counts), np.int64)
    ignored = keys[meaning.class_map.look_up(keys) == IGNORE].tolist()
    if not ignored:
        return []
    whole, common = sum(counts.values()), sorted(ignored, key=lambda key: -counts[key])
    shown = [str(color_of(key)) if meaning.class_map.by_color else str(key) for key in common[:_SHOWN]]
    word = "color" if meaning.class_map.by_color else "value"
    listed = f"{word}{'' if len(common) == 1 else 's'} {', '.join(shown)}{', ...' if len(common) > _SHOWN else ''}"
    reason = f"{percent(sum(counts[key] for key in ignored), whole)} of the pixels are ignored, of {listed}"
    numbered = all(re.fullmatch(r"(class|value) \d+", name) for name in meaning.class_names)
    if numbered and IGNORE in ignored and counts[IGNORE] >= _NOTABLE * whole:
        reason += f"; if {IGNORE} is a class, name the values in a file classes.txt, as in '{IGNORE} object'"
    return [Defect(root, reason, note=True)]


def none_left(root: Path, pairs: int, defects: Sequence[Defect]) -> DataError:
    """What to raise where none of the pairs can be used, with the first reasons."""
    first = "".join(f"\n  {defect}" for defect in defects[:3])
    count = f"{pairs} image{'' if pairs == 1 else 's'} with a mask"
    return DataError(f"{root}: none of {count} can be used{':' if first else ''}{first}")


def relative_name(path: Path, folder: Path) -> str:
    """The path relative to the folder, where it lies there; else the absolute one."""
    return (path.relative_to(folder) if path.is_relative_to(folder) else path.absolute()).as_posix()
