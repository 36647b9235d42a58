"""Which detection finds which object: the pairs that overlap, and the greedy choice among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from zorki.metrics.tables import DetectionTable, GroundTruthTable, Table, join

_AT_ONCE = 1_000_000  # pairs: what is in memory at a time


@dataclass(frozen=True)
class Pairs(Table):
    """DetectionTable and truths of one image that overlap: rows of both tables, by detection, then by truth.

    `iou` is intersection over union; on a crowd it is the share of the detection that the crowd covers, as in COCO.
    """

    detection: Int64[ndarray, " N"]
    truth: Int64[ndarray, " N"]
    iou: Float64[ndarray, " N"]

    def __len__(self) -> int:
        return len(self.iou)

    def best(self, count: int) -> Float64[ndarray, " count"]:
        """The largest overlap of each of `count` detections; 0 where there is none."""
        best = np.zeros(count)
        np.maximum.at(best, self.detection, self.iou)
        return best


def overlapping(
    truths: GroundTruthTable, detections: DetectionTable, min_iou: float, *, inclusive: bool = False
) -> Pairs:
    """All pairs of one image, of one class or two, that overlap by `min_iou` (above 0) or more.

    Args:
        inclusive: boxes end with the last pixel that they hold, so that a width is right - left + 1, as the devkit of
            Pascal VOC counts; else coordinates are continuous.
    """
    order = np.argsort(truths.image, kind="stable")
    images = truths.image[order]
    first = np.searchsorted(images, detections.image, "left")
    count = np.searchsorted(images, detections.image, "right") - first
    parts = []
    for start, stop in _slices(count):
        number = count[start:stop]
        detection = np.repeat(np.arange(start, stop), number)
        within = np.arange(len(detection)) - np.repeat(number.cumsum() - number, number)
        truth = order[np.repeat(first[start:stop], number) + within]
        iou = _paired_iou(truths, detections, truth, detection, 1.0 if inclusive else 0.0)
        near = iou >= min_iou
        parts.append(Pairs(detection[near], truth[near], iou[near]))
    return join(parts)


def _slices(count: ndarray) -> Iterator[tuple[int, int]]:
    """Runs of detections with a bounded number of pairs; at least one run."""
    total = count.cumsum()
    start = 0
    while start < len(count):
        done = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, done + _AT_ONCE, "right")))
        yield start, stop
        start = stop
    if not len(count):
        yield 0, 0


def _paired_iou(
    truths: GroundTruthTable, detections: DetectionTable, truth: ndarray, detection: ndarray, more: float
) -> ndarray:
    a, b = detections.xywh, truths.xywh
    shared = np.ones(len(truth))
    for low in (0, 1):
        a_end, b_end = (a[:, low] + a[:, low + 2])[detection], (b[:, low] + b[:, low + 2])[truth]
        side = np.minimum(a_end, b_end)
        side -= np.maximum(a[:, low][detection], b[:, low][truth])
        side += more
        shared *= side.clip(0)
    a_area = ((a[:, 2] + more).clip(0) * (a[:, 3] + more).clip(0))[detection]
    b_area = ((b[:, 2] + more).clip(0) * (b[:, 3] + more).clip(0))[truth]
    union = np.where(truths.crowd[truth], a_area, a_area + b_area - shared) if truths.crowd.any() else None
    union = a_area + b_area - shared if union is None else union
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


@dataclass(frozen=True)
class Matches:
    """What became of every detection and every truth at one overlap.

    `order` sorts detections by falling score, ties as they came. `truth` is the row that a detection found, -1 for
    none; `ignored` are detections that count neither as right nor as wrong.
    """

    order: Int64[ndarray, " D"]
    truth: Int64[ndarray, " D"]
    ignored: Bool[ndarray, " D"]


def match(truths: GroundTruthTable, detections: DetectionTable, pairs: Pairs, min_iou: float = 0.5) -> Matches:
    """The greedy choice of COCO: best scores first, each takes the free truth of its class that it overlaps most.

    What overlaps only truths that need not be found (crowds, difficult ones) is ignored; of equal overlaps the later
    truth is taken.
    """
    order = np.argsort(-detections.score, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    pairs = pairs.where((pairs.iou >= min_iou) & (detections.label[pairs.detection] == truths.label[pairs.truth]))
    counted = truths.counted[pairs.truth]
    found = _choose(pairs.where(counted), rank, len(truths))
    ignored = np.zeros(len(detections), bool)
    ignored[pairs.detection[~counted]] = True
    return Matches(order, found, ignored & (found < 0))


def _choose(pairs: Pairs, rank: ndarray, num_truths: int) -> ndarray:
    """The truth of every detection, or -1.

    A pair is settled where the detection is the best that still wants this truth and the truth the one that it wants
    most. Settling all such pairs at once, again and again, gives what going through the detections one by one gives.
    """
    found = np.full(len(rank), -1, np.int64)
    taken = np.zeros(num_truths, bool)
    sort = np.lexsort((-pairs.truth, -pairs.iou, rank[pairs.detection]))
    detection, truth = pairs.detection[sort], pairs.truth[sort]
    while len(detection):
        wanted = np.ones(len(detection), bool)
        wanted[1:] = detection[1:] != detection[:-1]
        first = np.zeros(len(detection), bool)
        first[np.unique(truth, return_index=True)[1]] = True
        settled = wanted & first
        found[detection[settled]] = truth[settled]
        taken[truth[settled]] = True
        open_ = (found[detection] < 0) & ~taken[truth]
        detection, truth = detection[open_], truth[open_]
    return found
