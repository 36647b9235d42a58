"""How boxes are evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zorki.contracts import Results, Section
from zorki.tasks.detection.object_task import ObjectEvaluation, shown
from zorki.types import Boxes, ClassInfo

if TYPE_CHECKING:
    from zorki.tasks.detection.metrics.metric import DetectionMetric
    from zorki.tasks.detection.metrics.scores import DetectionResult


class DetectionEvaluation(ObjectEvaluation[Boxes]):
    """COCO's and Pascal VOC's average precision, and where detectors err."""

    headline = ("ap", "ap50")

    def metric(self, info: ClassInfo) -> DetectionMetric:
        from zorki.tasks.detection.metrics.metric import DetectionMetric

        return DetectionMetric(info.names)

    def ensemble(self, predictions: Sequence[Boxes]) -> Boxes:
        """Weighted boxes fusion (Solovyev et al., 2021)."""
        from zorki.tasks.detection.fusion import fuse

        return fuse(predictions)

    def error_score(self, prediction: Boxes, target: Boxes, info: ClassInfo) -> float:
        """1 less the F1 of the boxes that are shown, boxes weighted by IoU: see `ImageMatch.quality`."""
        from zorki.tasks.detection.metrics.image_match import match_boxes

        return 1.0 - match_boxes(shown(prediction, info), target).quality()

    def right(self, prediction: Boxes, target: Boxes, info: ClassInfo) -> bool:
        """Whether every object is found, and nothing else is shown."""
        from zorki.tasks.detection.metrics.image_match import match_boxes

        return match_boxes(shown(prediction, info), target).is_right()

    def report_sections(self, result: DetectionResult, info: ClassInfo) -> list[Section]:
        """Precision and recall, classes, sizes and errors."""
        from zorki.tasks.detection.report import sections

        return sections(result)

    def recognize_predictions(self, predictions: Path, data: Path, format: str | None = None) -> str | None:
        from zorki.tasks.detection.prediction_files.kind import holds_joints, holds_masks

        others = holds_masks(predictions, data, format) or holds_joints(predictions, data, format)
        return None if others else "boxes"

    def evaluate_predictions(
        self, predictions: Path, data: Path, *, split: str | None = None, format: str | None = None
    ) -> Results:
        """Detections in COCO's results format. Raises DataError."""
        from zorki.tasks.detection.prediction_files.evaluate import evaluate_predictions

        return evaluate_predictions(predictions, data, split=split, format=format)
