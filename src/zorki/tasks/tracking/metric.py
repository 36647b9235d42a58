"""Scores of trackers: OTB's success and precision, GOT-10k's average overlap and success rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from zorki.contracts import Metric, MetricResult
from zorki.metrics.tracks.got10k import SUCCESS_IOU, average_overlap, got10k_overlaps, success_rate
from zorki.metrics.tracks.otb import OtbCurves, mean_curves, otb_curves
from zorki.tasks.tracking.tracks import aligned
from zorki.types import TrackedBoxes


@dataclass(frozen=True)
class ObjectTrackScores:
    """Of one object of one sequence, in the order of the dataset.

    Attributes:
        number: of the object, from 1 on.
        sequence: its name, and the object's where it has several; None: it has none.
        frames: up to the last annotated one.
        success_auc, precision_20, average_overlap: as of all.
    """

    number: int
    sequence: str | None
    frames: int
    success_auc: float
    precision_20: float
    average_overlap: float | None


@dataclass(frozen=True, kw_only=True)
class TrackingResult(MetricResult):
    """Attributes:
    count: objects that were tracked, each through its sequence.
    frames: of all sequences.
    success_auc: OTB's area under the success curve; the ground truth itself scores .952.
    precision_20: OTB's share of frames whose center is 20 pixels off at most.
    average_overlap: GOT-10k's AO, without the first frames.
    success_rate_50, success_rate_75: GOT-10k's SR, the share of frames of an IoU above .5 and .75.
    success, precision: OTB's curves at IoUs of 0, .05, ..., 1 and at 0, 1, ..., 50 pixels.
    per_sequence: of each object.
    """

    frames: int
    success_auc: float | None
    precision_20: float | None
    average_overlap: float | None
    success_rate_50: float | None
    success_rate_75: float | None
    success: tuple[float, ...]
    precision: tuple[float, ...]
    per_sequence: tuple[ObjectTrackScores, ...]


class TrackingMetric(Metric[TrackedBoxes, TrackedBoxes]):
    """Curves of each sequence, and overlaps of each frame; these of boxes in their frames, where predictions tell the
    size of those.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.curves: list[OtbCurves] = []
        self.overlaps: list[Tensor] = []
        self.lengths: list[int] = []
        self.names: list[str | None] = []

    def update(self, predictions: Sequence[TrackedBoxes], targets: Sequence[TrackedBoxes]) -> None:
        for prediction, target in zip(predictions, targets, strict=True):
            predicted, ground_truth, annotated = aligned(prediction, target)
            if not len(ground_truth):
                continue
            self.curves.append(otb_curves(predicted, ground_truth, annotated))
            size = _frame_size(prediction)
            self.overlaps.append(got10k_overlaps(predicted, ground_truth, size=size, visible=annotated))
            self.lengths.append(len(ground_truth))
            self.names.append(target.sequence)

    def merge(self, other: TrackingMetric) -> None:
        self.curves += other.curves
        self.overlaps += other.overlaps
        self.lengths += other.lengths
        self.names += other.names

    def compute(self) -> TrackingResult:
        mean = mean_curves(self.curves) if self.curves else None
        return TrackingResult(
            count=len(self.curves),
            frames=sum(self.lengths),
            success_auc=None if mean is None else mean.auc,
            precision_20=None if mean is None else mean.precision_at_20,
            average_overlap=average_overlap(self.overlaps),
            success_rate_50=success_rate(self.overlaps, SUCCESS_IOU[0]),
            success_rate_75=success_rate(self.overlaps, SUCCESS_IOU[1]),
            success=() if mean is None else tuple(mean.success.tolist()),
            precision=() if mean is None else tuple(mean.precision.tolist()),
            per_sequence=tuple(
                ObjectTrackScores(number, name, length, curves.auc, curves.precision_at_20, average_overlap([overlaps]))
                for number, (name, length, curves, overlaps) in enumerate(
                    zip(self.names, self.lengths, self.curves, self.overlaps, strict=True), start=1
                )
            ),
        )


def _frame_size(track: TrackedBoxes) -> tuple[int, int] | None:
    """(height, width) of the frames; None: it is not known."""
    if track.frame_sizes is None or not len(track):
        return None
    height, width = track.frame_sizes[0].tolist()
    return int(height), int(width)
