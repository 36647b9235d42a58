"""Masks of one image as lists of their pixels: what they share is counted without comparing each with each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

from zorki.types.arrays import array_of

if TYPE_CHECKING:
    from jaxtyping import Bool, Int32, Int64
    from torch import Tensor

_MAX_PAIRS = 1 << 22  # pairs that have a counter each; of more masks only the pairs that occur are counted


@dataclass(frozen=True)
class MaskPixels:
    """The pixels of `count` masks (height, width), mask by mask.

    Args:
        owner: of each pixel its mask, rising.
        place: of each pixel row * width + column.
    """

    owner: Int64[ndarray, " P"]
    place: Int64[ndarray, " P"]
    count: int
    height: int
    width: int

    @classmethod
    def of(cls, masks: Bool[Tensor | ndarray, "N H W"]) -> MaskPixels:
        """The pixels of masks on any device."""
        count, height, width = masks.shape
        found = np.flatnonzero(array_of(masks))
        owner, place = np.divmod(found, max(1, height * width))
        return cls(owner, place, count, height, width)

    def areas(self) -> Int64[ndarray, " N"]:
        """Pixels of each mask."""
        return np.bincount(self.owner, minlength=self.count)

    def shared_with(self, other: MaskPixels) -> tuple[Int64[ndarray, " S"], Int64[ndarray, " S"], Int64[ndarray, " S"]]:
        """Pairs of a mask here and a mask of the `other` ones that share pixels, and how many.

        Sorted by the first, then the second. Masks may overlap among themselves.

        Raises:
            ValueError: the two are of images of different sizes.
        """
        if (self.height, self.width) != (other.height, other.width):
            raise ValueError(
                f"masks of {self.height} x {self.width} pixels (height x width) cannot overlap masks of "
                f"{other.height} x {other.width}"
            )
        keys = [np.empty(0, np.int64)]
        for numbers in other._layers():
            met = numbers[self.place]
            hit = met >= 0
            keys.append(self.owner[hit] * other.count + met[hit])
        every = np.concatenate(keys)
        if self.count * other.count <= _MAX_PAIRS:
            counts = np.bincount(every, minlength=1)
            pairs = np.flatnonzero(counts)
            counts = counts[pairs]
        else:
            pairs, counts = np.unique(every, return_counts=True)
        first, second = np.divmod(pairs, max(1, other.count))
        return first, second, counts

    def _layers(self) -> list[Int32[ndarray, " places"]]:
        """Maps of the image with the number of a mask in each pixel, -1 for none; as many as masks lie on a pixel."""
        owner, place = self.owner, self.place
        layers = []
        while len(owner):
            numbers = np.full(self.height * self.width, -1, np.int32)
            numbers[place] = owner
            beaten = numbers[place] != owner
            layers.append(numbers)
            owner, place = owner[beaten], place[beaten]
        return layers

    def laid_out(self, order: Sequence[int], most_hidden: float = 0.5) -> MaskPixels:
        """Each pixel with one mask at most: the masks are laid into one map, the first of `order` on top.

        A mask of which more than `most_hidden` lies under others is left out, and hides nothing itself, as Kirillov et
        al. (2019) make maps of overlapping predictions. Masks that are not in `order` are left out, too.
        """
        starts = np.searchsorted(self.owner, np.arange(self.count + 1))
        free = np.ones(self.height * self.width, bool)
        kept = np.zeros(len(self.owner), bool)
        for mask in order:
            rows = slice(starts[mask], starts[mask + 1])
            mine = free[self.place[rows]]
            if mine.size and mine.sum() >= (1 - most_hidden) * mine.size:
                kept[rows] = mine
                free[self.place[rows]] = False
        return MaskPixels(self.owner[kept], self.place[kept], self.count, self.height, self.width)

    def numbers(self, order: Sequence[int] | None = None) -> Int32[ndarray, "H W"]:
        """In each pixel the number of its mask, from 1 on, and 0 for none.

        Args:
            order: of all masks; where some overlap, the later one is on top. None: as they are numbered.
        """
        owner, place = self.owner, self.place
        if order is not None:
            rank = np.empty(self.count, np.int64)
            rank[np.asarray(order, np.int64)] = np.arange(self.count)
            rows = np.argsort(rank[owner], kind="stable")
            owner, place = owner[rows], place[rows]
        found = np.zeros(self.height * self.width, np.int32)
        found[place] = owner + 1
        return found.reshape(self.height, self.width)
