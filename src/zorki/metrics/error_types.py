"""What kind of errors a detector makes, as TIDE tells them apart (Bolya et al., 2020)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from zorki.metrics.matching import Matches, Pairs
from zorki.metrics.tables import DetectionTable, GroundTruthTable

ERROR_TYPES = {
    "class": "the right place, the wrong class",
    "place": "the right class, too little overlap",
    "both": "the wrong class and too little overlap",
    "duplicate": "an object that was found already",
    "background": "nothing is there",
    "missed": "an object without an answer",
}
BACKGROUND_IOU = 0.1  # what overlaps no object by more is background (section 2.2)
FOUND_IOU = 0.5


def error_types(
    truths: GroundTruthTable, detections: DetectionTable, pairs: Pairs, matches: Matches, kept: Bool[ndarray, " D"]
) -> dict[str, int]:
    """How many errors of each of `ERROR_TYPES` the `kept` detections make; each error has one kind (section 2.2).

    Where several would fit, the order is that of the authors' program: place, class, duplicate, background, both. An
    object counts as missed where no detection found it and none stands for it with an error of class or place.
    Crowds and difficult objects make no errors.

    Args:
        pairs: that overlap by `BACKGROUND_IOU` or more.
        matches: at `FOUND_IOU`.
        kept: detections above some score.
    """
    wrong = kept & (matches.truth < 0) & ~matches.ignored
    pairs = pairs.where(wrong[pairs.detection] & truths.counted[pairs.truth])
    same = detections.label[pairs.detection] == truths.label[pairs.truth]
    own, other = pairs.where(same), pairs.where(~same)
    best_own, best_other = own.best(len(detections)), other.best(len(detections))
    near = (best_own >= BACKGROUND_IOU) & (best_own < FOUND_IOU)
    place = wrong & near
    class_ = wrong & ~place & (best_other >= FOUND_IOU)
    duplicate = wrong & ~place & ~class_ & (best_own >= FOUND_IOU)
    rest = wrong & ~place & ~class_ & ~duplicate
    background = rest & (np.maximum(best_own, best_other) <= BACKGROUND_IOU)
    lacking = truths.counted.copy()
    lacking[matches.truth[kept & (matches.truth >= 0)]] = False
    for which, stands in ((own, place), (other, class_)):
        lacking[_most_overlapped(which.where(stands[which.detection]))] = False
    counts = (class_, place, rest & ~background, duplicate, background, lacking)
    return {kind: int(count.sum()) for kind, count in zip(ERROR_TYPES, counts, strict=True)}


def _most_overlapped(pairs: Pairs) -> ndarray:
    """The truth that each detection overlaps most, the first of equals."""
    sort = np.lexsort((pairs.truth, -pairs.iou, pairs.detection))
    return pairs.truth[sort][np.unique(pairs.detection[sort], return_index=True)[1]]
