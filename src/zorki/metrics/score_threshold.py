"""At which score to run a detector: precision, recall and F1 of the detections that score at least so much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

GRID = 101  # score thresholds of a `ThresholdCurve`


@dataclass(frozen=True)
class PrecisionRecall:
    """Scores at one threshold: precision is None where nothing was detected, recall where there is nothing to find."""

    precision: float | None = None
    recall: float | None = None
    f1: float | None = None


@dataclass(frozen=True)
class ThresholdCurve:
    """Precision, recall and F1 over rising score thresholds; see `PrecisionRecall`."""

    score: tuple[float, ...] = ()
    precision: tuple[float | None, ...] = ()
    recall: tuple[float | None, ...] = ()
    f1: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class ScoreCurve:
    """Counts over falling scores: row i holds those of all detections with a score of `score[i]` or more.

    Scores that occur more than once have one row: a threshold keeps all of them or none.
    """

    score: Float64[ndarray, " N"]
    true_positives: Float64[ndarray, " N"]
    false_positives: Float64[ndarray, " N"]
    positives: int  # objects that have to be found

    def f1(self) -> Float64[ndarray, " N"]:
        """2 TP / (TP + FP + positives): the harmonic mean of precision and recall."""
        detections = self.true_positives + self.false_positives
        return 2 * self.true_positives / np.maximum(detections + self.positives, 1)

    def best_threshold(self) -> float | None:
        """The score at which F1 is largest, the highest of equals; None without a true positive."""
        if not len(self.score) or self.true_positives[-1] == 0:
            return None
        return float(self.score[self.f1().argmax()])

    def at(self, threshold: float | None) -> PrecisionRecall:
        """The scores of detections that score at least `threshold`; None keeps nothing."""
        row = -1 if threshold is None else int(np.searchsorted(-self.score, -threshold, "right")) - 1
        tp, fp = (float(self.true_positives[row]), float(self.false_positives[row])) if row >= 0 else (0.0, 0.0)
        kept = tp + fp
        return PrecisionRecall(
            precision=tp / kept if kept else None,
            recall=tp / self.positives if self.positives else None,
            f1=2 * tp / (kept + self.positives) if kept + self.positives else None,
        )

    def over_thresholds(self) -> ThresholdCurve:
        """The scores at 101 even steps over 0..1, or over the detections' scores where they reach further."""
        low = min(0.0, float(self.score[-1])) if len(self.score) else 0.0
        high = max(1.0, float(self.score[0])) if len(self.score) else 1.0
        grid = np.linspace(low, high, GRID).tolist()
        rows = [self.at(threshold) for threshold in grid]
        return ThresholdCurve(
            tuple(grid),
            tuple(row.precision for row in rows),
            tuple(row.recall for row in rows),
            tuple(row.f1 for row in rows),
        )


def score_curve(score: Float64[ndarray, " N"], true: Bool[ndarray, " N"], positives: int) -> ScoreCurve:
    """The curve of detections in order of falling score, each a true positive or a false one."""
    last = np.ones(len(score), bool)
    last[:-1] = score[1:] != score[:-1]
    tp, fp = true.cumsum()[last].astype(float), (~true).cumsum()[last].astype(float)
    return ScoreCurve(score[last], tp, fp, positives)
