"""MOTA and MOTP: misses, false boxes and switched identities (Bernardin and Stiefelhagen, 2008)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from zorki.metrics.tracks.sequence import EPS, MATCH_IOU, FrameOverlap, SequenceOverlap

MOSTLY_TRACKED, MOSTLY_LOST = 0.8, 0.2  # shares of an object's frames
_KEPT = 1000  # a pair of the frame before outweighs every overlap
_NOBODY = -1


@dataclass(frozen=True)
class ClearCounts:
    """Counts of boxes, of switches and of objects.

    Attributes:
        true_positives, false_negatives, false_positives: boxes at an IoU of .5.
        switches: boxes of an object whose track is another one than the last time it was tracked.
        fragmentations: times that the tracking of an object begins anew.
        mostly_tracked, partly_tracked, mostly_lost: objects by the share of their frames: above .8, from .2, below.
        overlap: sum of the IoU of the true positives.
    """

    true_positives: int = 0
    false_negatives: int = 0
    false_positives: int = 0
    switches: int = 0
    fragmentations: int = 0
    mostly_tracked: int = 0
    partly_tracked: int = 0
    mostly_lost: int = 0
    overlap: float = 0.0

    @property
    def mota(self) -> float:
        """1 less the errors' share of the objects' boxes: below 0 where there are more errors than boxes."""
        right = self.true_positives - self.false_positives - self.switches
        return right / max(1, self.true_positives + self.false_negatives)

    @property
    def motp(self) -> float:
        """Mean IoU of the true positives: MOTChallenge's form, in which more is better."""
        return self.overlap / max(1, self.true_positives)

    @property
    def recall(self) -> float:
        return self.true_positives / max(1, self.true_positives + self.false_negatives)

    @property
    def precision(self) -> float:
        return self.true_positives / max(1, self.true_positives + self.false_positives)


def clear_counts(sequence: SequenceOverlap) -> ClearCounts:
    """Counts of one video; equal to TrackEval's `CLEAR`.

    As there, pairs of the frame before are kept while they overlap, a switch is told from the last track however long
    ago, and a frame without any prediction leaves what was before it as it was.
    """
    ground_truths, predictions = sequence.ground_truth_boxes, sequence.prediction_boxes
    objects = sequence.ground_truth_identities
    if not ground_truths or not predictions:
        return ClearCounts(0, ground_truths, predictions, mostly_lost=objects)
    last, before = (np.full(objects, _NOBODY, dtype=np.int64) for _ in range(2))
    lives, tracked, begun = (np.zeros(objects, dtype=np.int64) for _ in range(3))
    true_positives, switches, overlap = 0, 0, 0.0
    for frame in sequence.frames:
        lives[frame.ground_truth] += 1
        if not len(frame.ground_truth) or not len(frame.prediction):
            continue
        rows, columns = _pairs(frame, before)
        who, whom = frame.ground_truth[rows], frame.prediction[columns]
        switches += int(((last[who] != _NOBODY) & (last[who] != whom)).sum())
        begun[who] += before[who] == _NOBODY
        last[who] = whom
        before[:] = _NOBODY
        before[who] = whom
        tracked[who] += 1
        true_positives += len(who)
        overlap += sum(frame.iou[rows, columns])
    share = tracked / lives
    mostly, some = int((share > MOSTLY_TRACKED).sum()), int((share >= MOSTLY_LOST).sum())
    return ClearCounts(
        true_positives, ground_truths - true_positives, predictions - true_positives, switches,
        int((begun[begun > 0] - 1).sum()), mostly, some - mostly, objects - some, float(overlap),
    )  # fmt: skip


def _pairs(frame: FrameOverlap, before: Int64[ndarray, " M"]) -> tuple[ndarray, ndarray]:
    score = _KEPT * (frame.prediction[None] == before[frame.ground_truth][:, None]) + frame.iou
    score[frame.iou < MATCH_IOU - EPS] = 0
    rows, columns = linear_sum_assignment(-score)
    right = score[rows, columns] > EPS
    return rows[right], columns[right]


def join_clear(parts: Sequence[ClearCounts]) -> ClearCounts:
    """Several videos as one."""
    names = [field.name for field in dataclasses.fields(ClearCounts)]
    return ClearCounts(**{name: sum(getattr(part, name) for part in parts) for name in names})
