"""From masks of segments to a dataset of classes: each segment of an image says its category, as COCO's panoptic do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zorki.class_selection import ClassSelection
from zorki.data.annotations.masks.build import fitting_counts, none_left, one_class_note, relative_name, unseen_notes
from zorki.data.annotations.masks.dataset import ClassMap, MaskDataset, SegmentMaps
from zorki.data.annotations.masks.interpretation import order_classes
from zorki.data.annotations.masks.levels import percent
from zorki.data.annotations.masks.value_counts import ValueCounts, count_values, total
from zorki.data.annotations.outside import outside_notes
from zorki.data.annotations.split_notes import split_notes
from zorki.data.annotations.splits import complete_splits
from zorki.data.images import MAX_PIXELS
from zorki.types import Defect

Array = np.ndarray[Any, np.dtype[Any]]

UNLABELED = 0
"""The color of pixels of no segment."""


@dataclass
class SegmentRecords:
    """What a format found: images with their masks, and the category of every segment in each.

    Args:
        pairs: (image, mask), no image twice.
        segments: of each pair, the category of each color 0xRRGGBB.
        categories: their names, in the order of the classes.
        given: places in `pairs` by the data's own words for splits.
    """

    root: Path
    format: str
    reason: str
    pairs: list[tuple[Path, Path]]
    segments: list[dict[int, int]]
    categories: dict[int, str]
    given: dict[str, list[int]] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)

    def build(
        self,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> MaskDataset:
        """The dataset of the pairs that fit.

        Pixels of no segment, and of segments that nothing tells of, are ignored; each is told.

        Raises:
            DataError: no pair is left, a class is not among `class_names`, or `selection` names one that is not there.
        """
        limit = MAX_PIXELS if max_pixels is None else max_pixels
        defects = [*self.defects, *outside_notes()]
        all_counts = fitting_counts(self.pairs, count_values(self.pairs, limit), defects)
        pixels = total(self._by_category(place, mask_counts) for place, mask_counts in all_counts.items())
        order, labels = order_classes(self.root, self._names(selection, class_names), pixels, class_names)
        kept, maps, counts = self._labeled(all_counts, labels, len(order), defects)
        if not kept:
            raise none_left(self.root, len(self.pairs), defects)
        folder = self.root if self.root.is_dir() else self.root.parent
        names = [relative_name(self.pairs[place][0], folder) for place in kept]
        new = {old: place for place, old in enumerate(kept)}
        given = {word: sorted({new[old] for old in olds if old in new}) for word, olds in self.given.items()}
        splits, split_reason = complete_splits(given, names)
        defects += split_notes(self.root, splits, names)
        defects += [] if class_names is not None else one_class_note(self.root, order, counts)
        defects += [*unseen_notes(self.root, order, counts, splits), *self._unlabeled(all_counts)]
        return MaskDataset(
            self.root, folder, self.format, self.reason, order, names,
            masks=[relative_name(self.pairs[place][1], folder) for place in kept],
            sizes=np.array([all_counts[place].size for place in kept], np.int32),
            class_map=ClassMap.of({}), counts=counts,
            splits=splits, split_reason=split_reason, defects=defects, max_pixels=limit, segments=SegmentMaps.of(maps),
        )  # fmt: skip

    def _names(self, selection: ClassSelection | None, class_names: Sequence[str] | None) -> dict[int, str | None]:
        own = list(dict.fromkeys(self.categories.values()))
        if not selection:
            return dict(self.categories)
        new = selection.new_names(own, self.root, strict=class_names is None)
        return {number: new[name] for number, name in self.categories.items()}

    def _by_category(self, place: int, mask_counts: ValueCounts) -> dict[int, int]:
        return total({self.segments[place][color]: count} for color, count in mask_counts.colors().items()
                     if color in self.segments[place])  # fmt: skip

    def _labeled(
        self, all_counts: Mapping[int, ValueCounts], labels: Mapping[int, int], classes: int, defects: list[Defect]
    ) -> tuple[list[int], list[ClassMap], Array]:
        """The places of masks in which a pixel is valid, the labels of their segments, and their pixels a class."""
        kept: list[int] = []
        maps: list[ClassMap] = []
        rows: list[Array] = []
        for place, mask_counts in all_counts.items():
            found, own = mask_counts.colors(), self.segments[place]
            defects += [Defect(self.pairs[place][1], *note) for note in _odd(found, own)]
            class_map = ClassMap.of({color: labels[category] for color, category in own.items()}, by_color=True)
            colors, pixels = np.array(list(found), np.int64), np.array(list(found.values()), np.int64)
            row = np.bincount(class_map.look_up(colors), pixels, 256)[:classes].astype(np.int64)
            if row.any():
                kept.append(place)
                maps.append(class_map)
                rows.append(row)
            else:
                reason = "no pixel is of a segment of any class; left out with its image"
                defects.append(Defect(self.pairs[place][1], reason))
        return kept, maps, np.stack(rows) if rows else np.zeros((0, classes), np.int64)

    def _unlabeled(self, all_counts: Mapping[int, ValueCounts]) -> list[Defect]:
        """A note with the share of pixels that no segment holds."""
        counts = total(mask_counts.colors() for mask_counts in all_counts.values())
        if not (bare := counts.get(UNLABELED, 0)):
            return []
        share = percent(bare, sum(counts.values()))
        return [Defect(self.root, f"{share} of the pixels are of no segment (0): they are ignored", note=True)]


def _odd(found: Mapping[int, int], own: Mapping[int, int]) -> list[tuple[str, None, bool]]:
    """What to say of segments of a mask that nothing tells of, and of those that are told of and not there."""
    segment_notes: list[tuple[str, None, bool]] = []
    if strange := [color for color in found if color != UNLABELED and color not in own]:
        count = sum(found[color] for color in strange)
        which = "a segment" if len(strange) == 1 else f"{len(strange)} segments"
        segment_notes.append(
            (f"it holds {which} that segments_info does not list ({count:,} pixels); ignored", None, False)
        )
    if gone := [color for color in own if color not in found]:
        which = (
            "1 segment that segments_info lists has" if len(gone) == 1 else f"{len(gone)} segments that it lists have"
        )
        segment_notes.append((f"{which} no pixel", None, True))
    return segment_notes
