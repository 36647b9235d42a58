"""The mathematics of a plot: round ticks, and numbers to pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Real = int | float  # written out: to the type checker of the tests an int is no float


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` on pixels from `start` to `end`; y axes start below, so `start` > `end` there."""

    low: Real
    high: Real
    start: Real
    end: Real
    ticks: tuple[Real, ...]
    log: bool = False

    def pixel(self, value: Real) -> Real:
        """Where a value lies, in pixels of the image."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def label(self, tick: Real) -> str:
        """The tick as text, with the digits that tell neighbors apart."""
        if self.log or len(self.ticks) < 2:
            return f"{tick:g}".replace("e-0", "e-")
        step = self.ticks[1] - self.ticks[0]
        if max(abs(self.low), abs(self.high)) >= 1e6 or step < 1e-4:
            return f"{tick:g}".replace("e-0", "e-")
        return f"{tick:,.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def nice_ticks(low: Real, high: Real, count: int = 5, *, whole: bool = False) -> tuple[Real, ...]:
    """Multiples of 1, 2 or 5 times a power of ten that enclose [low, high]; about `count` steps.

    `whole` keeps them integers, for epochs. Equal ends are widened first.

    >>> nice_ticks(0.13, 0.87)
    (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    """
    # Below this the values are one value with rounding errors, and ticks between them would be equal.
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        margin = 1.0 if whole else abs(low) * 0.1 or 1.0
        # Zeros stand on the floor: what is 0 all along is a score or a count, which is never less.
        low, high = (low - margin if low else 0.0), high + margin
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    if whole:
        step = max(1.0, step)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(float(f"{index * step:.12g}") for index in range(first, last + 1))


def log_ticks(low: Real, high: Real) -> tuple[Real, ...]:
    """Powers of ten, with their 2- and 5-folds where the span is below three decades, that enclose [low, high] > 0."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high) + 1e-12)
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    stride = max(1, math.ceil((last - first) / 8))
    ticks = [factor * 10.0**power for power in range(first, last + stride, stride) for factor in factors]
    lowest = max(tick for tick in ticks if tick <= low * (1 + 1e-9))
    above = [tick for tick in ticks if tick >= high * (1 - 1e-9) and tick > lowest]
    return tuple(tick for tick in ticks if lowest <= tick <= above[0])


def x_axis(values: Sequence[Real], start: Real, end: Real, *, log: bool = False) -> Axis:
    """An axis tight around the values; whole ticks where all values are whole; one value stands in the middle."""
    low, high = min(values), max(values)
    if log:
        low, high = (low, high) if low < high else (low / 2, high * 2)
        return Axis(low, high, start, end, tuple(t for t in log_ticks(low, high) if low <= t <= high), log=True)
    whole = all(float(value).is_integer() for value in values)
    if low == high:
        margin = max(1.0, abs(low) * 0.1)
        return Axis(low - margin, high + margin, start, end, (low,))
    inside = tuple(tick for tick in nice_ticks(low, high, 8, whole=whole) if low <= tick <= high)
    return Axis(low, high, start, end, inside)


def y_axis(values: Sequence[Real], start: Real, end: Real, *, log: bool = False) -> Axis:
    """An axis that ends on round ticks around the values."""
    ticks = log_ticks(min(values), max(values)) if log else nice_ticks(min(values), max(values))
    return Axis(ticks[0], ticks[-1], start, end, ticks, log)
