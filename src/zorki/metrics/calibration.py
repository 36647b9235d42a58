"""Whether a classifier is as often right as its confidence says (Guo et al., 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import Bool, Float64
    from torch import Tensor

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
        import torch

        self.sums = torch.zeros(3, BINS, dtype=torch.float64)  # count, sum of confidence, number right

    def update(self, confidence: Float64[Tensor, " N"], correct: Bool[Tensor, " N"]) -> None:
        """Takes in some predictions, each right or wrong; a confidence of exactly 1 belongs to the last bin."""
        import torch

        index = (confidence * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
        for row, weight in enumerate((torch.ones_like(confidence), confidence, correct.double())):
            self.sums[row] += torch.bincount(index, weight, minlength=BINS)

    def merge(self, other: CalibrationBins) -> None:
        self.sums += other.sums

    def expected_error(self) -> float:
        """Expected calibration error: the mean distance of accuracy and confidence over bins, weighted by count."""
        count, confidence, correct = self.sums
        return float((confidence - correct).abs().sum() / int(count.sum()))

    def rows(self) -> tuple[CalibrationBin, ...]:
        return tuple(
            CalibrationBin(int(n), float(c / n) if n else None, float(r / n) if n else None)
            for n, c, r in self.sums.unbind(1)
        )
