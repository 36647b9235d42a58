"""Which pixels of a mask of one object are the object: decided once over all masks of a dataset, and told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zorki.data.annotations.masks.levels import BRIGHT, percent
from zorki.data.annotations.masks.stored import MIDDLE, StoredMask, lie_together
from zorki.types import Defect

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class ShadeCounts:
    """Of one mask: its pixels, those of neither 0 nor the largest value, and that value."""

    pixels: int
    shades: int
    most: int


@dataclass(frozen=True)
class ObjectMask:
    """One mask in both readings: pixels (H, W) that are not 0, and those of 128 and more.

    `bright` is None where the mask has one value beside 0, which lies as an object does: nothing is smeared there.
    """

    plain: Array
    bright: Array | None
    counts: ShadeCounts

    def of(self, smeared: bool) -> Array:
        """The object's pixels (H, W), where masks are `smeared` or not."""
        return self.bright if smeared and self.bright is not None else self.plain


def object_mask(stored: StoredMask) -> ObjectMask:
    """What a file holds; the value of a color is that of its brightest part."""
    values = stored.values
    if stored.rgb:
        values = np.maximum(np.maximum(values >> 16, values >> 8 & 255), values & 255)
    return object_mask_in(values)


def object_mask_in(values: Array) -> ObjectMask:
    """The same of values (H, W)."""
    plain = values != 0
    most = int(values.max(initial=0))
    shades = int((plain & (values != most)).sum())
    sharp = not shades and (most >= MIDDLE or lie_together(plain))
    return ObjectMask(plain, None if sharp else values >= MIDDLE, ShadeCounts(plain.size, shades, most))


@dataclass
class ObjectMaskTally:
    """The masks of a dataset, counted while they are read; `most` is the largest value of those with shades."""

    masks: int = 0
    shaded: int = 0
    shades: int = 0
    pixels: int = 0
    most: int = 0

    def add(self, masks: Iterable[ShadeCounts]) -> None:
        """Takes in masks."""
        for one in masks:
            self.masks += 1
            self.pixels += one.pixels
            if one.shades:
                self.shaded += 1
                self.shades += one.shades
                self.most = max(self.most, one.most)

    @property
    def smeared(self) -> bool:
        """Whether masks of black and white were smeared: some hold several values, up to white."""
        return self.most >= BRIGHT

    def notes(self, where: Path) -> list[Defect]:
        """What was decided."""
        if not self.shaded:
            return []
        share = percent(self.shades, self.pixels)
        which = f"{self.shaded} of {self.masks} masks of objects hold several values, {share} of the pixels between"
        if self.smeared:
            reason = f"{which}, as after scaling or from JPEGs: values from {MIDDLE} on are taken for the object"
        else:
            reason = f"{which}, and none is white: every value but 0 is taken for the object"
        return [Defect(where, reason, note=True)]
