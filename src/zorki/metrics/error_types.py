"""What goes wrong in detections, by the error types of TIDE (Bolya et al., 2020)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from zorki.metrics.matching import Matches, Pairs
from zorki.metrics.tables import DetectionTable, GroundTruthTable

BACKGROUND_IOU = 0.1  # a detection that overlaps no object by more is on the background (section 2.2)
FOREGROUND_IOU = 0.5


@dataclass(frozen=True)
class ErrorCounts:
    """Errors by type; each is counted once.

    Attributes:
        classification: the right place, the wrong class (TIDE's Cls).
        localization: the right class, too little overlap (Loc).
        both: the wrong class and too little overlap (Both).
        duplicate: an object that a better detection has found (Dupe).
        background: nothing is there (Bkg).
        missed: an object without a detection (Miss).
    """

    classification: int = 0
    localization: int = 0
    both: int = 0
    duplicate: int = 0
    background: int = 0
    missed: int = 0

    def total(self) -> int:
        return sum(asdict(self).values())

    def shares(self) -> tuple[ErrorShare, ...]:
        """A row a type, in the order above."""
        return tuple(
            ErrorShare(error_type, count, count / max(1, self.total())) for error_type, count in asdict(self).items()
        )


@dataclass(frozen=True)
class ErrorShare:
    """How many errors are of a type, and their share of all errors, in 0..1."""

    error_type: str
    count: int
    share: float


def count_errors(
    ground_truths: GroundTruthTable,
    detections: DetectionTable,
    pairs: Pairs,
    matches: Matches,
    kept: Bool[ndarray, " D"],
) -> ErrorCounts:
    """Counts the errors of the `kept` detections, each by one type (section 2.2).

    Where several would fit, the order is that of the authors' program: localization, classification, duplicate,
    background, both. An object counts as missed where no detection found it and none stands for it with an error of
    classification or localization. Crowds and difficult objects make no errors.

    Args:
        pairs: with an IoU of `BACKGROUND_IOU` or more.
        matches: at `FOREGROUND_IOU`.
        kept: detections above some score.
    """
    wrong = kept & (matches.ground_truth < 0) & ~matches.ignored
    pairs = pairs.where(wrong[pairs.detection] & ground_truths.positive[pairs.ground_truth])
    same = detections.label[pairs.detection] == ground_truths.label[pairs.ground_truth]
    own, other = pairs.where(same), pairs.where(~same)
    best_own, best_other = own.best(len(detections)), other.best(len(detections))
    near = (best_own >= BACKGROUND_IOU) & (best_own < FOREGROUND_IOU)
    localization = wrong & near
    classification = wrong & ~localization & (best_other >= FOREGROUND_IOU)
    duplicate = wrong & ~localization & ~classification & (best_own >= FOREGROUND_IOU)
    rest = wrong & ~localization & ~classification & ~duplicate
    background = rest & (np.maximum(best_own, best_other) <= BACKGROUND_IOU)
    missed = ground_truths.positive.copy()
    missed[matches.ground_truth[kept & (matches.ground_truth >= 0)]] = False
    for which, stands in ((own, localization), (other, classification)):
        missed[_most_overlapped(which.where(stands[which.detection]))] = False
    counts = (classification, localization, rest & ~background, duplicate, background, missed)
    return ErrorCounts(*(int(count.sum()) for count in counts))


def _most_overlapped(pairs: Pairs) -> ndarray:
    """The object that each detection overlaps most, the first of equals."""
    sort = np.lexsort((pairs.ground_truth, -pairs.iou, pairs.detection))
    return pairs.ground_truth[sort][np.unique(pairs.detection[sort], return_index=True)[1]]
