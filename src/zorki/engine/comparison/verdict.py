"""Whether one recipe is better than another by more than noise, of which there are two: seeds, and test images.

Another seed gives other weights (Bouthillier et al., 2021, "Accounting for Variance in Machine Learning Benchmarks"),
and other test images give other scores. All runs are evaluated on the same images, so these are crossed with the runs,
and the variance of the difference of two means is that of a crossed design (Owen, 2007, "The Pigeonhole Bootstrap"):

    var(d) = s1^2 / S1 + s2^2 / S2  +  max(0, var_images(d) - w1 / S1 - w2 / S2)

s: deviation between the seeds' scores on all images; S: number of seeds. var_images(d): variance of the difference over
replicates of the paired bootstrap over images. w: the variance over replicates of a single run around the mean of its
recipe, which the first two terms hold already, so that it is counted once. The interval is Student's, with the degrees
of freedom of Welch and Satterthwaite, since of five seeds the deviation is hardly known: a bootstrap over five seeds
would be too narrow by a ninth and by the tails of Student's distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

BETTER, WORSE, NO_DIFFERENCE, TOO_FEW = "better", "worse", "no difference", "too few seeds"
SEEDS_TO_TELL = 3  # of each recipe, before one is called better
SEEDS_TO_DENY = 5  # before there is called to be no difference: with fewer there could well be one
LEVEL = 0.95


@dataclass(frozen=True)
class Scores:
    """The scores of one recipe's runs, larger being better.

    Attributes:
        values: of each run, on all images.
        replicates: of each run on images drawn with replacement, the same for all runs; None: not drawn.
    """

    values: tuple[float, ...]
    replicates: Float[ndarray, "S B"] | None = None

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)

    @property
    def deviation(self) -> float | None:
        """The standard deviation between seeds; None of one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Verdict:
    """What can be said of the second recipe against the first.

    Attributes:
        difference: of the means, second minus first.
        low, high: the interval in which the true difference lies; None where neither noise is known.
        word: better, worse, no difference, or too few seeds.
        seed_error, image_error: standard errors of the difference by either noise; None where it is not known.
        images_alone: the interval is that of these weights on other images: a recipe has one seed.
        level: of the interval, such as 0.95.
    """

    difference: float
    low: float | None
    high: float | None
    word: str
    seed_error: float | None
    image_error: float | None
    images_alone: bool
    level: float


def verdict(first: Scores, second: Scores, *, comparisons: int = 1) -> Verdict:
    """The difference of two recipes with its interval and a word.

    Args:
        comparisons: made together; each is made at a level that keeps the chance of any wrong word at 5 % (Bonferroni).
    """
    level = 1 - (1 - LEVEL) / comparisons
    difference = second.mean - first.mean
    sides = [(s.deviation**2 / len(s.values), len(s.values) - 1) for s in (first, second) if s.deviation is not None]
    seeds_known = len(sides) == 2
    images = _image_variance(first, second, once=seeds_known)
    parts = sides if seeds_known else []
    if images is not None:
        variance, blocks = images
        parts = [*parts, (variance, blocks)]
    half = _half_width(parts, level)
    low, high = (None, None) if half is None else (difference - half, difference + half)
    fewest = min(len(first.values), len(second.values))
    return Verdict(
        difference=difference,
        low=low,
        high=high,
        word=_word(low, high, fewest),
        seed_error=math.sqrt(sum(variance for variance, _ in sides)) if seeds_known else None,
        image_error=None if images is None else math.sqrt(images[0]),
        images_alone=not seeds_known and half is not None,
        level=level,
    )


def _word(low: float | None, high: float | None, seeds: int) -> str:
    if low is None or high is None or seeds < SEEDS_TO_TELL:
        return TOO_FEW
    if low > 0:
        return BETTER
    if high < 0:
        return WORSE
    return NO_DIFFERENCE if seeds >= SEEDS_TO_DENY else TOO_FEW


def _half_width(parts: list[tuple[float, int]], level: float) -> float | None:
    """Half the interval of a sum of estimated variances, each with its degrees of freedom (Satterthwaite, 1946)."""
    from scipy.special import stdtrit

    total = sum(variance for variance, _ in parts)
    if not parts:
        return None
    if total == 0:
        return 0.0
    freedom = total**2 / sum(variance**2 / max(1, freedom) for variance, freedom in parts)
    return float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(total)


def _image_variance(first: Scores, second: Scores, *, once: bool) -> tuple[float, int] | None:
    """The variance of the difference by the choice of images, and its degrees of freedom; None where none were drawn.

    Args:
        once: without what the seeds' variance holds already.
    """
    if first.replicates is None or second.replicates is None:
        return None
    count = min(first.replicates.shape[1], second.replicates.shape[1])
    a, b = first.replicates[:, :count], second.replicates[:, :count]
    there = np.isfinite(a).all(0) & np.isfinite(b).all(0)
    if there.sum() < 2:
        return None
    a, b = a[:, there], b[:, there]
    variance = float((b.mean(0) - a.mean(0)).var(ddof=1))
    if once:
        variance -= sum(_own_variance(runs) / len(runs) for runs in (a, b))
    return max(0.0, variance), int(there.sum()) - 1


def _own_variance(runs: Float[ndarray, "S B"]) -> float:
    """The variance over images of one run around the mean of its recipe."""
    return float((runs - runs.mean(0)).var(1, ddof=1).sum()) / (len(runs) - 1)
