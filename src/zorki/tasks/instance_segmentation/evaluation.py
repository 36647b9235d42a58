"""How masks of objects are judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zorki.contracts import Results, Section
from zorki.tasks.detection.object_task import ObjectEvaluation, shown
from zorki.tasks.instance_segmentation.metrics.metric import InstanceMetric
from zorki.tasks.instance_segmentation.metrics.scores import InstanceResult
from zorki.types import ClassInfo, Instances


class InstanceEvaluation(ObjectEvaluation[Instances]):
    """COCO's average precision of masks, and figures of maps of objects."""

    headline = ("mask_ap", "mask_ap50")

    def metric(self, info: ClassInfo) -> InstanceMetric:
        """Maps of objects are judged from the score on that a run found on validation, else from the best one here."""
        return InstanceMetric(info.names, min_score=info.score_threshold)

    def ensemble(self, predictions: Sequence[Instances]) -> Instances:
        """Masks that several models agree on; see `fuse_masks`."""
        from zorki.tasks.instance_segmentation.fusion import fuse_masks

        return fuse_masks(predictions)

    def error_score(self, prediction: Instances, target: Instances, info: ClassInfo) -> float:
        """1 less the F1 of the masks that are shown, in which a mask counts as far as it fits; see `Judged.quality`."""
        from zorki.tasks.instance_segmentation.metrics.image_match import judge_masks

        return 1.0 - judge_masks(shown(prediction, info), target).quality()

    def report_sections(self, result: InstanceResult, info: ClassInfo) -> list[Section]:
        """Precision and recall, counts, maps of objects, classes and errors."""
        from zorki.tasks.instance_segmentation.report import sections

        return sections(result, info.threshold_split)

    def recognize_answers(self, predictions: Path, data: Path, format: str | None = None) -> str | None:
        from zorki.tasks.detection.prediction_files.kind import holds_masks

        return "masks of objects" if holds_masks(predictions, data, format) else None

    def judge_file(
        self, predictions: Path, data: Path, *, split: str | None = None, format: str | None = None
    ) -> Results:
        """Masks in COCO's results format. Raises DataError."""
        from zorki.tasks.instance_segmentation.prediction_files.evaluate import judge_file

        return judge_file(predictions, data, split=split, format=format)
