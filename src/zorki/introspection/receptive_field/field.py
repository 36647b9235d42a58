"""The fields themselves: what the positions of a tensor see, and how that widens, moves, joins and is dealt out again.

Nothing here knows of operations; `rules` says what each of them does to a field.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple


class Steps(NamedTuple):
    """`places` positions along one axis of the image, `jump` pixels apart; an axis of -1 is none (channels)."""

    axis: int
    places: int
    jump: Fraction


Dimensions = tuple[tuple[Steps, ...], ...]


@dataclass(frozen=True)
class Field:
    """What the elements of one tensor see.

    `low` and `high` are for its first position, in pixels, one each for an axis; `dimensions` says for each dimension
    of the tensor which positions lie along it, from the outermost to the innermost. Along an axis that is `whole`
    every position sees all of the image, since somewhere on the way all positions were summed.
    """

    low: tuple[Fraction, ...]
    high: tuple[Fraction, ...]
    dimensions: Dimensions
    image: tuple[int, ...]
    whole: tuple[bool, ...]

    @classmethod
    def of_input(cls, shape: Sequence[int]) -> Field:
        """Every element of a (B, C, ...) input sees its own pixel."""
        places = tuple((Steps(axis, count, Fraction(1)),) for axis, count in enumerate(shape[2:]))
        axes = len(places)
        dimensions = ((), (), *places)
        return cls((Fraction(0),) * axes, (Fraction(1),) * axes, dimensions, tuple(shape[2:]), (False,) * axes)

    @property
    def size(self) -> tuple[int, ...]:
        """Pixels that one position sees along each axis, rounded up."""
        return tuple(math.ceil(high - low) for low, high in zip(self.low, self.high, strict=True))

    @property
    def jump(self) -> tuple[Fraction | None, ...]:
        """Pixels between neighboring positions along each axis; None where one position is left."""
        left = [steps for dimension in self.dimensions for steps in dimension if steps.jump]
        found = [[steps.jump for steps in left if steps.axis == axis] for axis in range(len(self.low))]
        return tuple(min(jumps) if jumps else None for jumps in found)

    def widen(self, axis: int, low: Fraction, high: Fraction) -> Field:
        """The first position moved by `low` at its lower edge and by `high` at its upper edge."""
        if self.whole[axis]:
            return self
        lows, highs = list(self.low), list(self.high)
        lows[axis] += low
        highs[axis] += high
        return replace(self, low=tuple(lows), high=tuple(highs))

    def lag(self, axis: int, places: int, jump: Fraction) -> Field:
        """What bounds all of `places` positions that run ahead of their count by `jump` pixels each."""
        ahead = (places - 1) * jump
        return self.widen(axis, min(ahead, Fraction(0)), max(ahead, Fraction(0)))

    def put(self, dimension: int, *steps: Steps) -> Field:
        """The same with other positions along `dimension`."""
        dimensions = list(self.dimensions)
        dimensions[dimension] = steps
        return replace(self, dimensions=tuple(dimensions))

    def collapse(self, *dimensions: int) -> Field:
        """Sums over `dimensions`: what all positions along them see, seen by each."""
        field = self
        for dimension in dimensions:
            for steps in field.dimensions[dimension]:
                if steps.axis >= 0:
                    field = field.widen(steps.axis, Fraction(0), (steps.places - 1) * steps.jump)
            field = field.put(dimension)
        return field._with_whole_axes()

    def _with_whole_axes(self) -> Field:
        """Marks the axes of which no position is left, if the whole image has been seen."""
        left = {steps.axis for dimension in self.dimensions for steps in dimension if steps.jump}
        low, high, whole = list(self.low), list(self.high), list(self.whole)
        for axis, size in enumerate(self.image):
            if axis not in left and low[axis] <= 0 and high[axis] >= size:
                low[axis], high[axis], whole[axis] = Fraction(0), Fraction(size), True
        return replace(self, low=tuple(low), high=tuple(high), whole=tuple(whole))

    def everything(self, rank: int) -> Field:
        """Sums over all positions, in a tensor of `rank` dimensions."""
        return replace(self.collapse(*range(len(self.dimensions))), dimensions=((),) * rank)

    def regular(self, dimension: int) -> Field:
        """Evenly spaced positions of one axis along `dimension`, or none: what convolution and pooling need."""
        field, merged = self, None
        for steps in self.dimensions[dimension]:
            if merged is None:
                merged = steps
            elif merged.axis >= 0 and steps.axis == merged.axis and merged.jump == steps.places * steps.jump:
                merged = Steps(steps.axis, merged.places * steps.places, steps.jump)
            elif merged.axis >= 0 and (steps.axis < 0 or (steps.axis == merged.axis and not steps.jump)):
                # finer positions that see alike (pixel shuffle, windows)
                fine = merged.jump / steps.places
                field = field.widen(merged.axis, fine - merged.jump, Fraction(0))
                merged = Steps(merged.axis, merged.places * steps.places, fine)
            else:
                return self.collapse(dimension)
        return field.put(dimension, *([merged] if merged is not None and merged.axis >= 0 else []))

    def resample(self, dimension: int, first: Fraction, last: Fraction, stride: Fraction, count: int) -> Field:
        """`count` new positions along `dimension`; the i-th sees the old ones from i * stride + first to + last."""
        field = self.regular(dimension)
        if not field.dimensions[dimension]:
            return field
        ((axis, _, jump),) = field.dimensions[dimension]
        return field.widen(axis, first * jump, last * jump).put(dimension, Steps(axis, count, jump * stride))

    def join(self, other: Field) -> Field:
        """Both seen, dimensions aligned at the last as broadcasting does."""
        rank = max(len(self.dimensions), len(other.dimensions))
        mine = replace(self, dimensions=((),) * (rank - len(self.dimensions)) + self.dimensions)
        theirs = replace(other, dimensions=((),) * (rank - len(other.dimensions)) + other.dimensions)
        for dimension in range(rank):
            mine, theirs = _align(mine, theirs, dimension)
        whole = tuple(a or b for a, b in zip(mine.whole, theirs.whole, strict=True))
        edges = zip(mine.low, theirs.low, mine.high, theirs.high, self.image, whole, strict=True)
        spans = [(Fraction(0), Fraction(n)) if all_ else (min(a, b), max(c, d)) for a, b, c, d, n, all_ in edges]
        low, high = tuple(low for low, _ in spans), tuple(high for _, high in spans)
        return Field(low, high, mine.dimensions, self.image, whole)

    def reshape(self, old: Sequence[int], new: Sequence[int]) -> Field:
        """The same elements in row-major order under another shape."""
        dimensions: list[tuple[Steps, ...]] = []
        field = self
        for inner, outer in _groups(old, new):
            kept = [self.dimensions[i] for i in inner]
            target_sizes = [new[j] for j in outer]
            if not any(kept):
                dimensions += [()] * len(target_sizes)
                continue
            spread = (
                [kept[0]] if len(inner) == len(outer) == 1 else _spread(kept, [old[i] for i in inner], target_sizes)
            )
            if spread is None:
                field = field.collapse(*inner)
                spread = [()] * len(target_sizes)
            dimensions += spread
        return replace(field, dimensions=tuple(dimensions))


def _align(mine: Field, theirs: Field, dimension: int) -> tuple[Field, Field]:
    """Both fields with the same positions along `dimension`, the tightest that bound what each one sees.

    One that has no positions there sees alike along it: its jump is 0.
    """
    a, b = mine.dimensions[dimension], theirs.dimensions[dimension]
    if a and b and [s[:2] for s in a] != [s[:2] for s in b]:
        mine, theirs = mine.regular(dimension), theirs.regular(dimension)
        a, b = mine.dimensions[dimension], theirs.dimensions[dimension]
    a, b = a or tuple(s._replace(jump=Fraction(0)) for s in b), b or tuple(s._replace(jump=Fraction(0)) for s in a)
    if [s[:2] for s in a] != [s[:2] for s in b]:
        return mine.collapse(dimension), theirs.collapse(dimension)
    met: list[Steps] = []
    for left, right in zip(a, b, strict=True):
        mine, theirs, jump = _meet(mine, theirs, left, right)
        met.append(left._replace(jump=jump))
    return mine.put(dimension, *met), theirs.put(dimension, *met)


def _meet(mine: Field, theirs: Field, left: Steps, right: Steps) -> tuple[Field, Field, Fraction]:
    """Both fields for one jump along the same positions: that of either, whichever bounds both more tightly."""
    axis, places = left[:2]
    if axis < 0 or left.jump == right.jump:
        return mine, theirs, left.jump
    if mine.whole[axis] or theirs.whole[axis]:  # the other's positions stay; they tell where a map's elements lie
        return mine, theirs, max(left.jump, right.jump)

    def bounds(jump: Fraction) -> tuple[Field, Field, Fraction]:
        return mine.lag(axis, places, left.jump - jump), theirs.lag(axis, places, right.jump - jump), jump

    def size(option: tuple[Field, Field, Fraction]) -> Fraction:
        a, b, _ = option
        return max(a.high[axis], b.high[axis]) - min(a.low[axis], b.low[axis])

    return min((bounds(jump) for jump in sorted((left.jump, right.jump))), key=size)


def _groups(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Runs of old and new dimensions that hold the same number of elements, as short as can be."""
    i = j = 0
    while i < len(old) or j < len(new):
        inner, outer = [], []
        have = want = 1
        if i < len(old):
            inner, have, i = [i], old[i], i + 1
        if j < len(new):
            outer, want, j = [j], new[j], j + 1
        while have != want:
            if have < want:
                inner, have, i = [*inner, i], have * old[i], i + 1
            else:
                outer, want, j = [*outer, j], want * new[j], j + 1
        yield inner, outer


def _spread(kept: list[tuple[Steps, ...]], sizes: list[int], target_sizes: list[int]) -> list[tuple[Steps, ...]] | None:
    """Positions dealt out again over dimensions of the sizes `wanted`; None where they do not divide."""
    parts: list[Steps] = []
    for steps, size in zip(kept, sizes, strict=True):
        steps = steps or (Steps(-1, size, Fraction(0)),)
        if math.prod(s.places for s in steps) != size:
            return None
        parts += [s for s in steps if s.places > 1]
    dealt: list[tuple[Steps, ...]] = []
    for size in target_sizes:
        taken: list[Steps] = []
        while size > 1:
            if not parts:
                return None
            axis, count, jump = parts.pop(0)
            if size % count == 0:
                taken.append(Steps(axis, count, jump))
                size //= count
            elif count % size == 0:
                taken.append(Steps(axis, size, jump * (count // size)))
                parts.insert(0, Steps(axis, count // size, jump))
                size = 1
            else:
                return None
        dealt.append(tuple(taken) if any(s.axis >= 0 for s in taken) else ())
    return dealt


def join_all(fields: Sequence[Field]) -> Field | None:
    """What all of them see together; None of none."""
    joined = None
    for field in fields:
        joined = field if joined is None else joined.join(field)
    return joined
