"""A video with many objects: who is where in each frame, by the ground truth and by a tracker, and how they overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

from zorki.metrics.tables import Table
from zorki.tracks.overlap import box_iou

if TYPE_CHECKING:  # takes longer to load than an exported file to answer
    from jaxtyping import Bool, Float64, Int64

EPS = float(np.finfo(np.float64).eps)
MATCH_IOU = 0.5  # of CLEAR MOT, IDF1 and the rule of distractors


@dataclass(frozen=True)
class TrackTable(Table):
    """Boxes over time: `frame` from 0, whose, and where, as (left, top, width, height) in pixels.

    `score` is 0..1 of a prediction; of ground truth 0 marks boxes that do not count. `label` is the number of the class
    in the file.
    """

    frame: Int64[ndarray, " N"]
    identity: Int64[ndarray, " N"]
    xywh: Float64[ndarray, "N 4"]
    score: Float64[ndarray, " N"]
    label: Int64[ndarray, " N"]

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def xyxy(self) -> Float64[ndarray, "N 4"]:
        return np.concatenate([self.xywh[:, :2], self.xywh[:, :2] + self.xywh[:, 2:]], 1)


@dataclass(frozen=True)
class FrameOverlap:
    """One frame: identities of the objects, 0..M-1 and 0..N-1 over the whole video, and IoU of each pair."""

    ground_truth: Int64[ndarray, " M"]
    prediction: Int64[ndarray, " N"]
    iou: Float64[ndarray, "M N"]


@dataclass(frozen=True)
class SequenceOverlap:
    """All frames of a video, in their order."""

    frames: Sequence[FrameOverlap]
    ground_truth_identities: int
    prediction_identities: int

    @property
    def ground_truth_boxes(self) -> int:
        return sum(len(frame.ground_truth) for frame in self.frames)

    @property
    def prediction_boxes(self) -> int:
        return sum(len(frame.prediction) for frame in self.frames)


def overlap_tracks(
    ground_truth: TrackTable,
    prediction: TrackTable,
    num_frames: int,
    *,
    labels: Sequence[int] | None = None,
    distractors: Sequence[int] = (),
) -> SequenceOverlap:
    """What the metrics of tracking count from.

    Args:
        num_frames: of the video; rows of later frames are left out.
        labels: classes of the ground truth that count; None: all. What has score 0 does not count either.
        distractors: classes that are neither right nor wrong: a prediction that matches one of these better than any
            other object is left out, as MOTChallenge does it (Milan et al., 2016, section 4.1.3).
    """
    counted = ground_truth.score != 0
    if labels is not None:
        counted &= np.isin(ground_truth.label, labels)
    is_distractor = np.isin(ground_truth.label, distractors)
    theirs, ours = ground_truth.xyxy, prediction.xyxy
    found = []
    for rows, columns in zip(_by_frame(ground_truth, num_frames), _by_frame(prediction, num_frames), strict=True):
        iou = box_iou(theirs[rows], ours[columns])
        kept = _not_distracted(iou, is_distractor[rows])
        rows_kept = counted[rows]
        found.append(
            (ground_truth.identity[rows[rows_kept]], prediction.identity[columns[kept]], iou[rows_kept][:, kept])
        )
    empty = np.zeros(0, dtype=np.int64)
    whose, other = (np.unique(np.concatenate([empty, *(row[place] for row in found)])) for place in range(2))
    frames = [FrameOverlap(np.searchsorted(whose, a), np.searchsorted(other, b), iou) for a, b, iou in found]
    return SequenceOverlap(frames, len(whose), len(other))


def _by_frame(table: TrackTable, num_frames: int) -> Iterator[Int64[ndarray, " N"]]:
    """The rows of each frame, in the order of the table."""
    order = np.argsort(table.frame, kind="stable")
    ends = np.searchsorted(table.frame[order], np.arange(num_frames + 1))
    return (order[first:end] for first, end in pairwise(ends))


def _not_distracted(iou: Float64[ndarray, "M N"], is_distractor: Bool[ndarray, " M"]) -> Bool[ndarray, " N"]:
    """The predictions that the best assignment, to all objects, does not give to a distractor."""
    kept = np.ones(iou.shape[1], dtype=bool)
    if not is_distractor.any():
        return kept
    from scipy.optimize import linear_sum_assignment  # predictions write tracks, and need it not

    similarity = np.where(iou < MATCH_IOU - EPS, 0.0, iou)
    rows, columns = linear_sum_assignment(-similarity)
    matched = (similarity[rows, columns] > EPS) & is_distractor[rows]
    kept[columns[matched]] = False
    return kept
