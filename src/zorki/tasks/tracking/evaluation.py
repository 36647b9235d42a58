"""How trackers are evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zorki.contracts import Dataset, Evaluation, Section
from zorki.types import Boxes, ClassInfo, TrackedBoxes

if TYPE_CHECKING:
    from zorki.tasks.tracking.metric import TrackingMetric, TrackingResult


class TrackingEvaluation(Evaluation[TrackedBoxes, Any]):
    """One pass from the first frame on, scored by OTB's and by GOT-10k's rules; the baseline is the still box."""

    headline = ("success_auc", "precision_20", "average_overlap", "success_rate_50")

    def metric(self, info: ClassInfo) -> TrackingMetric:
        from zorki.tasks.tracking.metric import TrackingMetric

        return TrackingMetric()

    def join(self, predictions: Sequence[Boxes], size: tuple[int, int]) -> TrackedBoxes:
        """The boxes of all frames, numbered from 0; each of the objects keeps its place as its identity."""
        from zorki.tasks.tracking.tracks import join_frames

        return join_frames(predictions, size)

    def baseline(self, train: Sequence[TrackedBoxes], info: ClassInfo) -> TrackedBoxes:
        """The box of the first frame in all of them; see `baseline_for`."""
        from zorki.tasks.tracking.tracks import no_boxes

        return no_boxes()

    def baseline_for(self, answer: TrackedBoxes, dataset: Dataset[TrackedBoxes], index: int) -> TrackedBoxes:
        """The object where it was first."""
        from zorki.tasks.tracking.tracks import still_boxes

        return still_boxes(dataset.target(index))

    def error_score(self, prediction: TrackedBoxes, target: TrackedBoxes, info: ClassInfo) -> float:
        """1 less the area under the success curve."""
        held = self.metric(info)
        held.update([prediction], [target])
        return 1.0 - (held.compute().success_auc or 0.0)

    def right(self, prediction: TrackedBoxes, target: TrackedBoxes, info: ClassInfo) -> bool:
        """Whether the object is still held in the last annotated frame: an IoU above 0.5."""
        from zorki.tasks.tracking.tracks import overlaps

        found = overlaps(prediction, target)
        return bool(found[-1] > 0.5) if len(found) else True

    def report_sections(self, result: TrackingResult, info: ClassInfo) -> list[Section]:
        """The curves of success and precision, and the sequences."""
        from zorki.tasks.tracking.report import sections

        return sections(result)
