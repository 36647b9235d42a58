"""At which score to run a detector: precision, recall and F1 of what scores at least so much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

GRID = 101  # scores at which curves are told


@dataclass(frozen=True)
class ScoreCurve:
    """Counts over falling scores: row i holds what is so if all detections with `score[i]` or more are kept.

    Scores that occur more than once have one row: a threshold keeps all of them or none.
    """

    score: Float64[ndarray, " N"]
    right: Float64[ndarray, " N"]
    wrong: Float64[ndarray, " N"]
    wanted: int  # objects that have to be found

    def f1(self) -> Float64[ndarray, " N"]:
        """2 right / (right + wrong + wanted): the harmonic mean of precision and recall."""
        return 2 * self.right / np.maximum(self.right + self.wrong + self.wanted, 1)

    def best(self) -> float | None:
        """The score at which F1 is largest, the highest of equals; None where nothing right was found."""
        if not len(self.score) or self.right[-1] == 0:
            return None
        return float(self.score[self.f1().argmax()])

    def at(self, score: float | None) -> dict[str, float | None]:
        """Precision, recall and F1 of what scores at least `score`; None keeps nothing.

        Precision is None where nothing is kept, recall where there is nothing to find.
        """
        row = -1 if score is None else int(np.searchsorted(-self.score, -score, "right")) - 1
        right, wrong = (float(self.right[row]), float(self.wrong[row])) if row >= 0 else (0.0, 0.0)
        kept = right + wrong
        return {
            "precision": right / kept if kept else None,
            "recall": right / self.wanted if self.wanted else None,
            "f1": 2 * right / (kept + self.wanted) if kept + self.wanted else None,
        }

    def over_scores(self) -> dict[str, list[Any]]:
        """Precision, recall and F1 at 101 even steps over 0..1, or over the scores where they reach further."""
        low = min(0.0, float(self.score[-1])) if len(self.score) else 0.0
        high = max(1.0, float(self.score[0])) if len(self.score) else 1.0
        grid = np.linspace(low, high, GRID).tolist()
        rows = [self.at(score) for score in grid]
        return {"score": grid, **{name: [row[name] for row in rows] for name in ("precision", "recall", "f1")}}


def score_curve(score: Float64[ndarray, " N"], right: Bool[ndarray, " N"], wanted: int) -> ScoreCurve:
    """The curve of detections in order of falling score, each right or wrong."""
    last = np.ones(len(score), bool)
    last[:-1] = score[1:] != score[:-1]
    found, missed = right.cumsum()[last].astype(float), (~right).cumsum()[last].astype(float)
    return ScoreCurve(score[last], found, missed, wanted)
