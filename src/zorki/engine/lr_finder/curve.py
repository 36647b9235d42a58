"""What a learning rate range test found: losses over rising learning rates, and what can be read from them.

Smith, 2015, "Cyclical Learning Rates for Training Neural Networks", section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

WIDTH = 2.5  # steps: standard deviation of the window that smooths, which has no lag, as a running mean would have
START = 10  # first losses, whose rates are too small to change anything: their mean is the level to fall from
CERTAINTY = 4.5  # standard errors by which the curve has to fall below its start, or it is flat
EXPLODED = 3.0  # a loss has exploded where it lies above the least by this many times the fall, or the least


@dataclass(frozen=True)
class LearningRateCurve:
    """Losses of a training whose learning rate rises at each step, and the learning rates that they propose.

    Attributes:
        rates: learning rates of the steps, rising.
        losses: `losses[i]` is that of the batch after the step at `rates[i]`; not finite where training has run away.
        start: the loss before the first step.
        stopped: whether the test ended before its last learning rate, as the loss had exploded.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    start: float
    stopped: bool = False

    @property
    def steepest(self) -> float | None:
        """The learning rate at which the smoothed loss falls fastest; None where it does not fall."""
        if self.reason:
            return None
        end = self._lowest + 1
        slope = np.gradient(self.smoothed[:end], np.log10(self.rates[:end])) if end > 1 else np.zeros(1)
        return self.rates[int(np.argmin(slope))]

    @property
    def minimum(self) -> float | None:
        """The learning rate at which the smoothed loss is least; None where it does not fall."""
        return None if self.reason else self.rates[self._lowest]

    @property
    def tenth(self) -> float | None:
        """A tenth of the minimum."""
        return None if self.minimum is None else self.minimum / 10

    @property
    def proposal(self) -> float | None:
        """The peak learning rate to train with, of two digits: halfway, by factors, from the steepest to the minimum.

        The steepest descent where the loss still falls at the last learning rate, since its minimum was not seen; None
        where the curve is flat.
        """
        if self.steepest is None or self.minimum is None:
            return None
        rate = self.steepest if self.falls_to_the_end else math.sqrt(self.steepest * self.minimum)
        return float(f"{rate:.2g}")

    @property
    def falls_to_the_end(self) -> bool:
        """Whether the smoothed loss is least at the last learning rates of all: larger ones may do better."""
        return not self.reason and not self.stopped and self._lowest >= len(self.rates) - 1 - WIDTH

    @cached_property
    def reason(self) -> str:
        """Why there is nothing to propose; "" where there is."""
        if not math.isfinite(self.start) or not self._finite.size:
            return "the loss is no number from the first step on"
        fall = self.level - float(self.smoothed[self._lowest])
        if fall > max(CERTAINTY * self.noise, 1e-6 * abs(self.level)):  # the latter is rounding
            return ""
        return (
            f"the curve is flat: at no learning rate from {self.rates[0]:.2g} to {self.rates[-1]:.2g} does the loss "
            f"fall below its start ({self.level:.4g}) by more than chance ({max(0.0, fall):.2g}, where "
            f"{CERTAINTY * self.noise:.2g} is to be expected of batches alone). Is everything frozen, are the weights "
            "trained on these data already, or are labels random? Larger batches tell more"
        )

    @property
    def level(self) -> float:
        """The mean loss of the first steps, before the learning rate matters."""
        first = self._with_start[: START + 1]
        return float(first[np.isfinite(first)].mean()) if np.isfinite(first).any() else math.nan

    @property
    def noise(self) -> float:
        """The standard error of the difference between the level and a point of the smoothed curve.

        From the differences of neighboring losses up to the minimum; their median withstands the explosion.
        """
        steps = np.diff(self._with_start[: max(self._lowest + 2, START + 1)])
        steps = steps[np.isfinite(steps)]
        if not steps.size:
            return 0.0
        spread = 1.4826 * float(np.median(np.abs(steps - np.median(steps)))) / math.sqrt(2)
        return spread * math.sqrt(1 / START + 1 / (2 * math.sqrt(math.pi) * WIDTH))

    @cached_property
    def smoothed(self) -> Float[ndarray, " N"]:
        """The losses under a Gaussian window of 2.5 steps; what has exploded counts as `ceiling`."""
        values = np.minimum(np.nan_to_num(np.array(self.losses), nan=math.inf), self.ceiling)
        places = np.arange(len(values))
        weights = np.exp(-0.5 * ((places[:, None] - places) / WIDTH) ** 2)
        smooth: Float[ndarray, " N"] = weights @ values / weights.sum(1)
        return smooth

    @property
    def ceiling(self) -> float:
        """The level and as much above it as the lowest loss lies below: how much worse no longer matters."""
        return self.level + max(self.level - float(self._finite.min()), 1e-12)

    @property
    def _lowest(self) -> int:
        return int(np.argmin(self.smoothed))

    @property
    def _with_start(self) -> Float[ndarray, " N"]:
        return np.array([self.start, *self.losses])

    @property
    def _finite(self) -> Float[ndarray, " N"]:
        values = np.array(self.losses)
        return values[np.isfinite(values)]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "proposal": self.proposal,
            "steepest": self.steepest,
            "minimum": self.minimum,
            "tenth": self.tenth,
            "reason": self.reason,
            "falls_to_the_end": self.falls_to_the_end,
            "stopped": self.stopped,
            "start": self.start,
            "rates": list(self.rates),
            "losses": list(self.losses),
            "smoothed": [] if not self._finite.size else self.smoothed.tolist(),
        }

    def __str__(self) -> str:
        """What was found, in one line or two."""
        if self.reason:
            return f"no proposal: {self.reason}"
        lines = [
            f"steepest descent at {self.steepest:.2g}; minimum at {self.minimum:.2g}, a tenth of it {self.tenth:.2g}"
        ]
        if self.falls_to_the_end:
            lines.append("the loss still falls at the last learning rate, so its minimum was not seen: raise --max-lr")
        return "\n".join([*lines, f"proposal: --lr {self.proposal:g}"])


class Explosion:
    """Notices while the test runs that the loss has exploded, by a running mean of the last losses."""

    def __init__(self, decay: float = 0.8) -> None:
        self.decay, self.mean, self.weight = decay, 0.0, 0.0
        self.first: float | None = None
        self.least = math.inf

    def see(self, loss: float) -> bool:
        """Takes in a loss; whether training has run away."""
        if not math.isfinite(loss):
            return True
        self.mean = self.decay * self.mean + (1 - self.decay) * loss
        self.weight = self.decay * self.weight + (1 - self.decay)
        smooth = self.mean / self.weight
        self.first = smooth if self.first is None else self.first
        self.least = min(self.least, smooth)
        return smooth > self.least + EXPLODED * max(abs(self.least), self.first - self.least)


def rising_rates(lowest: float, highest: float, steps: int) -> tuple[float, ...]:
    """Learning rates from the lowest to the highest, each by the same factor above the one before.

    >>> [f"{rate:g}" for rate in rising_rates(0.01, 1, 3)]
    ['0.01', '0.1', '1']
    """
    return tuple(float(rate) for rate in np.geomspace(lowest, highest, steps))


def curve_of(rates: Sequence[float], losses: Sequence[float], *, stopped: bool) -> LearningRateCurve:
    """The curve of the losses before each step and after the last: a loss tells of the step before it."""
    return LearningRateCurve(tuple(rates[: len(losses) - 1]), tuple(losses[1:]), losses[0], stopped)
