"""HOTA: detection and association in one number (Luiten et al., 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from zorki.metrics.tracks.sequence import EPS, SequenceOverlap

ALPHAS: Float64[ndarray, " A"] = np.arange(0.05, 0.99, 0.05)
"""The IoU thresholds .05, .10, ..., .95, as TrackEval rounds them."""

_TINY = 1e-10


@dataclass(frozen=True)
class HotaCurves:
    """What HOTA is made of at each of the thresholds `ALPHAS`; several videos are one by `join_hota`.

    Attributes:
        true_positives, false_negatives, false_positives: boxes.
        ass_a, ass_re, ass_pr: means over the true positives of the association's Jaccard index, recall, precision.
        loc_a: mean IoU of the true positives; 1 without any.
    """

    true_positives: Float64[ndarray, " A"]
    false_negatives: Float64[ndarray, " A"]
    false_positives: Float64[ndarray, " A"]
    ass_a: Float64[ndarray, " A"]
    ass_re: Float64[ndarray, " A"]
    ass_pr: Float64[ndarray, " A"]
    loc_a: Float64[ndarray, " A"]

    @property
    def det_re(self) -> Float64[ndarray, " A"]:
        return self.true_positives / np.maximum(1, self.true_positives + self.false_negatives)

    @property
    def det_pr(self) -> Float64[ndarray, " A"]:
        return self.true_positives / np.maximum(1, self.true_positives + self.false_positives)

    @property
    def det_a(self) -> Float64[ndarray, " A"]:
        every = self.true_positives + self.false_negatives + self.false_positives
        return self.true_positives / np.maximum(1, every)

    @property
    def hota(self) -> Float64[ndarray, " A"]:
        """Equation 8."""
        return np.sqrt(self.det_a * self.ass_a)


def hota_curves(sequence: SequenceOverlap) -> HotaCurves:
    """HOTA of one video (sections 5 and 6): equal to TrackEval's `HOTA` to the last bit.

    Pairs are matched by IoU times how much of both lives the two tracks could share, so that the choice in one frame
    serves the whole video; the pairs are the same for every threshold, and count from their own IoU on.
    """
    zeros = np.zeros(len(ALPHAS))
    ground_truths, predictions = sequence.ground_truth_boxes, sequence.prediction_boxes
    if not ground_truths or not predictions:
        return HotaCurves(zeros, zeros + ground_truths, zeros + predictions, zeros, zeros, zeros, zeros + 1)
    shared, lives, other_lives = _possible_matches(sequence)
    alignment = shared / (lives + other_lives - shared)
    matches = np.zeros((len(ALPHAS), *shared.shape))
    true_positives, overlap = zeros.copy(), zeros.copy()
    for frame in sequence.frames:
        if not len(frame.ground_truth) or not len(frame.prediction):
            continue
        score = alignment[np.ix_(frame.ground_truth, frame.prediction)] * frame.iou
        rows, columns = linear_sum_assignment(-score)
        iou = frame.iou[rows, columns]
        for place in range(len(ALPHAS)):
            right = iou >= ALPHAS[place] - EPS
            true_positives[place] += right.sum()
            overlap[place] += sum(iou[right])  # one by one, as TrackEval adds
            matches[place, frame.ground_truth[rows[right]], frame.prediction[columns[right]]] += 1
    scores = [_association(one, lives, other_lives, count) for one, count in zip(matches, true_positives, strict=True)]
    ass_a, ass_re, ass_pr = np.array(scores).T
    loc_a = np.maximum(_TINY, overlap) / np.maximum(_TINY, true_positives)
    return HotaCurves(
        true_positives, ground_truths - true_positives, predictions - true_positives, ass_a, ass_re, ass_pr, loc_a
    )


def _possible_matches(sequence: SequenceOverlap) -> tuple[ndarray, ndarray, ndarray]:
    """How many frames each pair of tracks could share, a frame counting less where others overlap too; and lives."""
    shared = np.zeros((sequence.ground_truth_identities, sequence.prediction_identities))
    lives, other_lives = np.zeros((len(shared), 1)), np.zeros((1, shared.shape[1]))
    for frame in sequence.frames:
        iou = frame.iou
        rivals = iou.sum(0)[None] + iou.sum(1)[:, None] - iou
        valid = rivals > EPS
        share = np.zeros_like(iou)
        share[valid] = iou[valid] / rivals[valid]
        shared[np.ix_(frame.ground_truth, frame.prediction)] += share
        lives[frame.ground_truth] += 1
        other_lives[0, frame.prediction] += 1
    return shared, lives, other_lives


def _association(matches: ndarray, lives: ndarray, other_lives: ndarray, count: float) -> tuple[float, float, float]:
    """AssA, AssRe and AssPr at one threshold (equations 5, 6 and 15)."""
    unions = (lives + other_lives - matches, lives, other_lives)
    shares = [np.sum(matches * (matches / np.maximum(1, union))) / np.maximum(1, count) for union in unions]
    return float(shares[0]), float(shares[1]), float(shares[2])


def join_hota(parts: Sequence[HotaCurves]) -> HotaCurves:
    """Several videos as one: counts are added, means weighted by the true positives, as TrackEval combines them."""
    true_positives = sum((part.true_positives for part in parts), np.zeros(len(ALPHAS)))
    weighted = [
        sum(getattr(part, name) * part.true_positives for part in parts) for name in ("ass_a", "ass_re", "ass_pr")
    ]
    ass_a, ass_re, ass_pr = (one / np.maximum(1.0, true_positives) for one in weighted)
    overlap = sum(part.loc_a * part.true_positives for part in parts)
    return HotaCurves(
        true_positives,
        sum((part.false_negatives for part in parts), np.zeros(len(ALPHAS))),
        sum((part.false_positives for part in parts), np.zeros(len(ALPHAS))),
        ass_a,
        ass_re,
        ass_pr,
        np.maximum(_TINY, overlap) / np.maximum(_TINY, true_positives),
    )
