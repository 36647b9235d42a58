"""How masks of objects are evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.contracts import Results, Section
from zorki.tasks.detection.object_task import ObjectEvaluation, shown
from zorki.types import ClassInfo, Instances

if TYPE_CHECKING:
    from zorki.tasks.instance_segmentation.metrics.metric import InstanceMetric
    from zorki.tasks.instance_segmentation.metrics.scores import InstanceResult


class InstanceEvaluation(ObjectEvaluation[Instances]):
    """COCO's average precision of masks, and metrics of maps of objects."""

    headline = ("mask_ap", "mask_ap50")

    def metric(self, info: ClassInfo) -> InstanceMetric:
        """Maps of objects hold what reaches the score threshold found on validation, else the best one here."""
        from zorki.tasks.instance_segmentation.metrics.metric import InstanceMetric

        return InstanceMetric(info.names, min_score=info.score_threshold)

    def ensemble(self, predictions: Sequence[Instances]) -> Instances:
        """Masks that several models agree on; see `fuse_masks`."""
        from zorki.tasks.instance_segmentation.fusion import fuse_masks

        return fuse_masks(predictions)

    def error_score(self, prediction: Instances, target: Instances, info: ClassInfo) -> float:
        """1 less the F1 of the masks that are shown, masks weighted by IoU: see `ImageMatch.quality`."""
        from zorki.tasks.instance_segmentation.metrics.image_match import match_masks

        return 1.0 - match_masks(shown(prediction, info), target).quality()

    def right(self, prediction: Instances, target: Instances, info: ClassInfo) -> bool:
        """Whether every object is found, and nothing else is shown."""
        from zorki.tasks.instance_segmentation.metrics.image_match import match_masks

        return match_masks(shown(prediction, info), target).is_right()

    def overlaps(self, prediction: Instances, target: Instances) -> Any:
        """IoU (P, G) of masks."""
        a, b = (one.masks.flatten(1).float() for one in (prediction, target))
        common = a @ b.T
        return (common / (a.sum(1)[:, None] + b.sum(1)[None] - common).clamp_min(1)).numpy()

    def report_sections(self, result: InstanceResult, info: ClassInfo) -> list[Section]:
        """Precision and recall, counts, maps of objects, classes and errors."""
        from zorki.tasks.instance_segmentation.report import sections

        return sections(result, info.threshold_split)

    def recognize_predictions(self, predictions: Path, data: Path, format: str | None = None) -> str | None:
        from zorki.tasks.detection.prediction_files.kind import holds_masks

        return "masks of objects" if holds_masks(predictions, data, format) else None

    def evaluate_predictions(
        self, predictions: Path, data: Path, *, split: str | None = None, format: str | None = None
    ) -> Results:
        """Masks in COCO's results format. Raises DataError."""
        from zorki.tasks.instance_segmentation.prediction_files.evaluate import evaluate_predictions

        return evaluate_predictions(predictions, data, split=split, format=format)
