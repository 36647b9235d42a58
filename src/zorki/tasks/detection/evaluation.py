"""How boxes are judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zorki.contracts import Results, Section
from zorki.tasks.detection.metrics.metric import DetectionMetric
from zorki.tasks.detection.metrics.scores import DetectionResult
from zorki.tasks.detection.object_task import ObjectEvaluation, shown
from zorki.types import Boxes, ClassInfo


class DetectionEvaluation(ObjectEvaluation[Boxes]):
    """COCO's and Pascal VOC's average precision, and where detectors err."""

    headline = ("ap", "ap50")

    def metric(self, info: ClassInfo) -> DetectionMetric:
        return DetectionMetric(info.names)

    def ensemble(self, predictions: Sequence[Boxes]) -> Boxes:
        """Weighted boxes fusion (Solovyev et al., 2021)."""
        from zorki.tasks.detection.fusion import fuse

        return fuse(predictions)

    def error_score(self, prediction: Boxes, target: Boxes, info: ClassInfo) -> float:
        """1 less the F1 of the boxes that are shown, in which a box counts as far as it fits; see `Judged.quality`."""
        from zorki.tasks.detection.metrics.image_match import judge_boxes

        return 1.0 - judge_boxes(shown(prediction, info), target).quality()

    def report_sections(self, result: DetectionResult, info: ClassInfo) -> list[Section]:
        """Precision and recall, classes, sizes and errors."""
        from zorki.tasks.detection.report import sections

        return sections(result)

    def recognize_answers(self, predictions: Path, data: Path, format: str | None = None) -> str | None:
        from zorki.tasks.detection.prediction_files.kind import holds_masks

        return None if holds_masks(predictions, data, format) else "boxes"

    def judge_file(
        self, predictions: Path, data: Path, *, split: str | None = None, format: str | None = None
    ) -> Results:
        """Detections in COCO's results format. Raises DataError."""
        from zorki.tasks.detection.prediction_files.evaluate import judge_file

        return judge_file(predictions, data, split=split, format=format)
