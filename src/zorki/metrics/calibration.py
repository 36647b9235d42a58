"""Whether a classifier is as often right as its confidence says (Guo et al., 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float64
    from numpy import ndarray

BINS = 15  # of confidence, equally wide: Guo et al., 2017, "On Calibration of Modern Neural Networks", section 2


@dataclass(frozen=True)
class CalibrationBin:
    """The predictions of one interval of confidence: how many, their mean confidence, and the share that is right."""

    count: int
    confidence: float | None
    accuracy: float | None


class CalibrationBins:
    """Counts over intervals (lower, upper] of confidence: what the reliability diagram shows."""

    def __init__(self) -> None:
        self.sums = np.zeros((3, BINS))  # count, sum of confidence, number right

    def update(self, confidence: Float64[ndarray, " N"], correct: Bool[ndarray, " N"]) -> None:
        """Takes in some predictions, each right or wrong; a confidence of exactly 1 belongs to the last bin."""
        index = (np.ceil(confidence * BINS).astype(np.int64) - 1).clip(0, BINS - 1)
        for row, weight in enumerate((np.ones_like(confidence), confidence, correct.astype(np.float64))):
            self.sums[row] += np.bincount(index, weight, minlength=BINS)

    def merge(self, other: CalibrationBins) -> None:
        self.sums += other.sums

    def expected_error(self) -> float:
        """Expected calibration error: the mean distance of accuracy and confidence over bins, weighted by count."""
        count, confidence, correct = self.sums
        return float(np.abs(confidence - correct).sum() / int(count.sum()))

    def rows(self) -> tuple[CalibrationBin, ...]:
        return tuple(
            CalibrationBin(int(n), float(c / n) if n else None, float(r / n) if n else None)
            for n, c, r in self.sums.T.tolist()
        )
