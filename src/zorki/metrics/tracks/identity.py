"""IDF1: how much of the video each object is called by one name (Ristani et al., 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from zorki.metrics.tracks.sequence import MATCH_IOU, SequenceOverlap


@dataclass(frozen=True)
class IdentityCounts:
    """Boxes under the one-to-one assignment of tracks that leaves the fewest of them wrong (section 3)."""

    true_positives: int = 0
    false_negatives: int = 0
    false_positives: int = 0

    @property
    def idp(self) -> float:
        return self.true_positives / max(1, self.true_positives + self.false_positives)

    @property
    def idr(self) -> float:
        return self.true_positives / max(1, self.true_positives + self.false_negatives)

    @property
    def idf1(self) -> float:
        """Equation 3."""
        return self.true_positives / max(
            1, self.true_positives + 0.5 * self.false_positives + 0.5 * self.false_negatives
        )


def identity_counts(sequence: SequenceOverlap) -> IdentityCounts:
    """Counts of one video, at an IoU of .5; equal to TrackEval's `Identity`.

    Fewest errors is the same as most matched boxes: each pair of tracks that is chosen turns its matches from an error
    on either side into a true positive. So the assignment needs no rows for tracks that stay alone.
    """
    ground_truths, predictions = sequence.ground_truth_boxes, sequence.prediction_boxes
    matches = np.zeros((sequence.ground_truth_identities, sequence.prediction_identities), dtype=np.int64)
    for frame in sequence.frames:
        rows, columns = np.nonzero(frame.iou >= MATCH_IOU)
        matches[frame.ground_truth[rows], frame.prediction[columns]] += 1
    true_positives = int(matches[linear_sum_assignment(-matches)].sum())
    return IdentityCounts(true_positives, ground_truths - true_positives, predictions - true_positives)


def join_identity(parts: Sequence[IdentityCounts]) -> IdentityCounts:
    """Several videos as one."""
    return IdentityCounts(
        sum(part.true_positives for part in parts),
        sum(part.false_negatives for part in parts),
        sum(part.false_positives for part in parts),
    )
