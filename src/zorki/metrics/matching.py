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
    """Detections and objects of one image that overlap: rows of both tables, by detection, then by object.

    `iou` is intersection over union; on a crowd it is the share of the detection that the crowd covers, as in COCO.
    """

    detection: Int64[ndarray, " N"]
    ground_truth: Int64[ndarray, " N"]
    iou: Float64[ndarray, " N"]

    def __len__(self) -> int:
        return len(self.iou)

    def best(self, count: int) -> Float64[ndarray, " count"]:
        """The largest IoU of each of `count` detections; 0 where there is none."""
        best = np.zeros(count)
        np.maximum.at(best, self.detection, self.iou)
        return best


def overlapping_pairs(
    ground_truths: GroundTruthTable, detections: DetectionTable, min_iou: float, *, inclusive: bool = False
) -> Pairs:
    """All pairs of one image, of one class or two, with an IoU of `min_iou` (above 0) or more.

    Args:
        inclusive: boxes end with the last pixel that they hold, so that a width is right - left + 1, as the devkit of
            Pascal VOC counts; else coordinates are continuous.
    """
    order = np.argsort(ground_truths.image, kind="stable")
    images = ground_truths.image[order]
    first = np.searchsorted(images, detections.image, "left")
    count = np.searchsorted(images, detections.image, "right") - first
    parts = []
    for start, stop in _slices(count):
        number = count[start:stop]
        detection = np.repeat(np.arange(start, stop), number)
        within = np.arange(len(detection)) - np.repeat(number.cumsum() - number, number)
        ground_truth = order[np.repeat(first[start:stop], number) + within]
        iou = _paired_iou(ground_truths, detections, ground_truth, detection, 1.0 if inclusive else 0.0)
        near = iou >= min_iou
        parts.append(Pairs(detection[near], ground_truth[near], iou[near]))
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
    ground_truths: GroundTruthTable, detections: DetectionTable, ground_truth: ndarray, detection: ndarray, more: float
) -> ndarray:
    a, b = detections.xywh, ground_truths.xywh
    shared = np.ones(len(ground_truth))
    for low in (0, 1):
        a_end, b_end = (a[:, low] + a[:, low + 2])[detection], (b[:, low] + b[:, low + 2])[ground_truth]
        side = np.minimum(a_end, b_end)
        side -= np.maximum(a[:, low][detection], b[:, low][ground_truth])
        side += more
        shared *= side.clip(0)
    a_area = ((a[:, 2] + more).clip(0) * (a[:, 3] + more).clip(0))[detection]
    b_area = ((b[:, 2] + more).clip(0) * (b[:, 3] + more).clip(0))[ground_truth]
    crowd = ground_truths.crowd
    union = np.where(crowd[ground_truth], a_area, a_area + b_area - shared) if crowd.any() else None
    union = a_area + b_area - shared if union is None else union
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


@dataclass(frozen=True)
class Matches:
    """Which object every detection found, at one IoU threshold.

    `order` sorts detections by falling score, ties as they came. `ground_truth` is the row of the object that a
    detection found, -1 for none; `ignored` are detections that are neither true nor false positives.
    """

    order: Int64[ndarray, " D"]
    ground_truth: Int64[ndarray, " D"]
    ignored: Bool[ndarray, " D"]


def match(ground_truths: GroundTruthTable, detections: DetectionTable, pairs: Pairs, min_iou: float = 0.5) -> Matches:
    """The greedy matching of COCO: best scores first, each takes the free object of its class with the largest IoU.

    What overlaps only objects that need not be found (crowds, difficult ones) is ignored; of equal IoUs the later
    object is taken.
    """
    order = np.argsort(-detections.score, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    same = detections.label[pairs.detection] == ground_truths.label[pairs.ground_truth]
    pairs = pairs.where((pairs.iou >= min_iou) & same)
    positive = ground_truths.positive[pairs.ground_truth]
    found = _choose(pairs.where(positive), rank, len(ground_truths))
    ignored = np.zeros(len(detections), bool)
    ignored[pairs.detection[~positive]] = True
    return Matches(order, found, ignored & (found < 0))


def _choose(pairs: Pairs, rank: ndarray, num_objects: int) -> ndarray:
    """The object of every detection, or -1.

    A pair is settled where the detection is the best of those left for this object and the object the one that it
    overlaps most. Settling all such pairs at once, again and again, gives what going through the detections one by one
    gives.
    """
    found = np.full(len(rank), -1, np.int64)
    taken = np.zeros(num_objects, bool)
    sort = np.lexsort((-pairs.ground_truth, -pairs.iou, rank[pairs.detection]))
    detection, ground_truth = pairs.detection[sort], pairs.ground_truth[sort]
    while len(detection):
        nearest = np.ones(len(detection), bool)
        nearest[1:] = detection[1:] != detection[:-1]
        first = np.zeros(len(detection), bool)
        first[np.unique(ground_truth, return_index=True)[1]] = True
        settled = nearest & first
        found[detection[settled]] = ground_truth[settled]
        taken[ground_truth[settled]] = True
        open_ = (found[detection] < 0) & ~taken[ground_truth]
        detection, ground_truth = detection[open_], ground_truth[open_]
    return found
