"""Masks whose values are levels of gray: black and white, smeared or in two conventions, and evenly spread levels.

Decided once over all masks of a dataset, and told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from zorki.data.annotations.masks.dataset import IGNORE
from zorki.data.annotations.masks.stored import ALIKE, MIDDLE, read_stored
from zorki.data.annotations.masks.value_counts import ValueCounts, total
from zorki.errors import DataError
from zorki.types import Defect

Halved = Literal["none", "lossy", "all"]

_DARK, BRIGHT = 32, 224  # below, and from here on, gray is black and white with some noise of compression
_FRINGE = 0.15  # of all pixels at most lie between in small masks of two classes; mostly .01
_LITTLE = 0.02  # of the pixels of JPEGs, so little that where they lie is not asked
_MAX_LEVELS = 16
_PROBE_FILES = 8  # masks that are looked at for where their shades lie: those that have most


def in_halves(
    all_counts: Mapping[Path, ValueCounts], class_names: Sequence[str] | None, root: Path, notes: list[Defect]
) -> tuple[Mapping[Path, ValueCounts], Halved]:
    """The counts, with those of masks of black and white that were smeared split in the middle; and which these are.

    JPEGs cannot hold classes, but two of them come out again by the middle. So they do where masks without loss have
    fringes of scaling, or what is left of a JPEG.

    Args:
        class_names: the names of the classes; None where nothing names them.

    Raises:
        DataError: there are JPEGs, and what they hold is not black and white, or the classes are not two.
    """
    lossy = {path: mask_counts for path, mask_counts in all_counts.items() if mask_counts.lossy}
    sharp = {path: mask_counts for path, mask_counts in all_counts.items() if not mask_counts.lossy}
    # Files of 0 and 1 alone say nothing of shades: beside smeared ones they are another way to write the same.
    shaded = {path: mask_counts for path, mask_counts in sharp.items() if not mask_counts.values().keys() <= {0, 1}}
    smeared = bool(shaded) and _are_two(class_names) and is_smeared(shaded)
    others = {value for mask_counts in sharp.values() for value in mask_counts.values()} - {0, 1, IGNORE}
    two = _are_two(class_names) and (smeared or not others)
    if lossy and not (two and _is_two_shades(lossy)):
        raise DataError(
            f"{next(iter(lossy))}: the masks are JPEGs, whose compression changes values at every edge, so that "
            "classes cannot be told; export them as PNG from where they were drawn"
        )
    black, white = class_names if class_names is not None and _are_two(class_names) else ("class 0", "class 1")
    taken = f"values below {MIDDLE} are taken as {black!r}, others as {white!r}"
    if smeared:
        halved: Halved = "all"
        counts = total(mask_counts.values() for mask_counts in shaded.values())
        shades = sum(count for value, count in counts.items() if value not in (0, IGNORE))
        share = percent(shades, sum(counts.values()))
        notes.append(Defect(root, (
            f"the masks are black and white with {len(counts.keys() - {0, IGNORE})} shades between, {share} of the "
            f"pixels, as after scaling or from JPEGs: {taken}"
        ), note=True))  # fmt: skip
        all_counts, ones = _with_ones(all_counts)
        if ones:
            masks = "1 mask holds" if ones == 1 else f"{ones} masks hold"
            reason = f"{masks} 0 and 1 alone, which are {black!r} and {white!r}, beside black and white"
            notes.append(Defect(root, reason, note=True))
    elif lossy:
        halved = "lossy"
        which = "the masks" if not sharp else f"{len(lossy)} of {len(all_counts)} masks"
        notes.append(Defect(root, f"{which} are JPEGs of black and white: {taken}", note=True))
    else:
        return all_counts, "none"
    return {
        path: mask_counts.halved() if halved == "all" or mask_counts.lossy else mask_counts
        for path, mask_counts in all_counts.items()
    }, halved


def _with_ones(all_counts: Mapping[Path, ValueCounts]) -> tuple[dict[Path, ValueCounts], int]:
    """The counts, with those of masks of 0 and 1 that are no residue marked; and how many these are."""
    marked = {
        path: replace(mask_counts, ones=True)
        for path, mask_counts in all_counts.items()
        if not mask_counts.lossy
        and mask_counts.values().keys() <= {0, 1}
        and mask_counts.values().get(1)
        and read_stored(path).holds_ones()
    }
    return {**all_counts, **marked}, len(marked)


def names_of_levels(
    all_counts: Iterable[ValueCounts], class_names: Sequence[str] | None, root: Path, notes: list[Defect]
) -> dict[int, str | None] | None:
    """The names of values that are levels of gray, 255 among them; None where values are what they are.

    0 and 255 alone are two classes. Where other masks hold 0 and 1, and none holds both, 255 is what 1 is there. Three
    levels or more are classes where they are evenly spread from 0 to 255: 0, 128, 255. Where names are given, they are
    as many as levels.
    """
    all_counts = list(all_counts)
    found = {value for mask_counts in all_counts for value in mask_counts.values()}
    if class_names is not None and found <= (stated := _values_in(class_names)).keys():
        return dict(stated)
    if IGNORE not in found or (class_names is not None and not all(class_names)):
        return None
    if found <= {0, 1, IGNORE} and _are_two(class_names):
        return _two_names(all_counts, found, class_names, root, notes)
    levels = _levels(found, None if class_names is None else len(class_names))
    if levels is None or not found - {0, IGNORE}:
        return None
    listed = ", ".join(map(str, levels))
    reason = f"the values {listed} are levels of gray, evenly spread, so that {IGNORE} is a class"
    if class_names is not None:
        notes.append(Defect(root, f"{reason}: the names are theirs in this order", note=True))
        return dict(zip(levels, class_names, strict=True))
    reason += "; if it is what is ignored, name the values in a file classes.txt, as in '255 void'"
    notes.append(Defect(root, reason, note=True))
    return {value: f"value {value}" for value in levels}


def _two_names(
    all_counts: Sequence[ValueCounts],
    found: set[int],
    class_names: Sequence[str] | None,
    root: Path,
    notes: list[Defect],
) -> dict[int, str | None] | None:
    first, second = class_names or ("class 0", "class 1")
    if 1 not in found:
        return {0: first, IGNORE: second} if 0 in found or class_names is not None else None
    ones, whites = (sum(value in mask_counts.values() for mask_counts in all_counts) for value in (1, IGNORE))
    if any({1, IGNORE} <= mask_counts.values().keys() for mask_counts in all_counts):
        return None
    reason = (
        f"{ones} of {len(all_counts)} masks hold 1, {whites} hold {IGNORE}, and none holds both: two ways to write the "
        f"same, so that {IGNORE} is taken as {second!r} too"
    )
    notes.append(Defect(root, reason, note=True))
    return {0: first, 1: second, IGNORE: second}


def _values_in(names: Sequence[str]) -> dict[int, str]:
    """The values that names of an earlier reading tell: "value 128"; empty where one tells none."""
    matches = [re.fullmatch(r"value (\d{1,5})", name) for name in names]
    return {int(match[1]): match[0] for match in matches if match} if all(matches) else {}


def _levels(found: set[int], count: int | None) -> list[int] | None:
    """The levels 0 to 255 that are evenly spread, as many as stated or found, of which none that is found is missing.

    A level may be one off, as rounding has it; one that is not found is taken as it is due.
    """
    count = len(found) if count is None else count
    if not 3 <= count <= _MAX_LEVELS:
        return None
    due = [round(place * IGNORE / (count - 1)) for place in range(count)]
    near = [min(found, key=lambda value: (abs(value - level), value)) for level in due]
    levels = [value if abs(value - level) <= 1 else level for level, value in zip(due, near, strict=True)]
    return levels if found <= set(levels) else None


def _are_two(class_names: Sequence[str] | None) -> bool:
    """Whether names are of two classes, none of them void, or there are none."""
    return class_names is None or (len(class_names) == 2 and all(class_names))


def _is_black_and_white(counts: Mapping[int, int], most: float) -> bool:
    """Whether at most a share of the pixels lie between, and some are white if any do."""
    between = sum(count for value, count in counts.items() if _DARK <= value < BRIGHT)
    white = sum(count for value, count in counts.items() if value >= BRIGHT)
    return between <= most * sum(counts.values()) and (white > 0 or not between)


def _is_two_shades(lossy: Mapping[Path, ValueCounts]) -> bool:
    """Whether JPEGs are of black and white."""
    counts = total(mask_counts.counts for mask_counts in lossy.values())
    return _is_black_and_white(counts, _LITTLE) or (_is_black_and_white(counts, _FRINGE) and _scatter(lossy))


def is_smeared(all_counts: Mapping[Path, ValueCounts]) -> bool:
    """Whether masks without loss are of black and white, smeared at their edges or by a JPEG that they once were.

    There must be shades between, or beside both, in few pixels, and these must lie as no class does: next to other
    values. Where 255 alone is bright and the others are dark, it is what is ignored.
    """
    if any(mask_counts.palette is not None for mask_counts in all_counts.values()):
        return False
    counts = total(mask_counts.values() for mask_counts in all_counts.values())
    if min(counts) < 0 or max(counts) > IGNORE or not _is_black_and_white(counts, _FRINGE):
        return False
    dark = [value for value in counts if value < _DARK]
    between = [value for value in counts if _DARK <= value < BRIGHT]
    bright = [value for value in counts if BRIGHT <= value < IGNORE]
    shades = len(counts.keys() - {0, IGNORE})
    if not dark or not (between or bright) or not (bright or IGNORE in counts):
        return False
    return (shades > 2 or (len(dark) > 1 and bool(bright))) and _scatter(all_counts)


def _scatter(all_counts: Mapping[Path, ValueCounts]) -> bool:
    """Whether pixels of shades mostly have another value to the right or below; those of classes mostly have not.

    A shade is any value but the commonest dark and bright ones: a JPEG's black may be 1.
    """
    counts = total(mask_counts.values() for mask_counts in all_counts.values())
    dark, bright = ([value for value in counts if (value < MIDDLE) is side] for side in (True, False))
    plain = [max(side, key=counts.__getitem__) for side in (dark, bright) if side]
    shaded = {path: sum(mask_counts.values().values()) - sum(mask_counts.values().get(value, 0) for value in plain)
              for path, mask_counts in all_counts.items()}  # fmt: skip
    shades = alike = 0
    for path in sorted(shaded, key=lambda path: -shaded[path])[:_PROBE_FILES]:
        stored = read_stored(path)
        gray = stored.values & 255 if stored.rgb else stored.values
        own = gray[:-1, :-1]
        shade = ~np.isin(own, plain)
        shades += int(shade.sum())
        alike += int((shade & (own == gray[1:, :-1]) & (own == gray[:-1, 1:])).sum())
    return alike < ALIKE * shades


def percent(part: int, whole: int) -> str:
    """A share in words; what is little and not nothing does not read as nothing."""
    share = part / max(1, whole)
    return f"{share:.2%}" if share >= 0.0001 or not part else "less than 0.01%"
