"""Scores of detection: how well objects are found, at which score to run a detector, and what goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zorki.contracts import Metric
from zorki.metrics.tables import DetectionTable, GroundTruthTable, join
from zorki.tasks.detection.metrics.scores import DetectionResult, detection_result
from zorki.tasks.detection.metrics.tables import detections_of, ground_truths_of
from zorki.types import Boxes, check_lengths


class DetectionMetric(Metric[Boxes, Boxes]):
    """COCO's and VOC's average precision."""

    takes_arrays = True

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)
        self.reset()

    def reset(self) -> None:
        self.count = 0
        self.ground_truths: list[GroundTruthTable] = []
        self.detections: list[DetectionTable] = []

    def update(self, predictions: Sequence[Boxes], targets: Sequence[Boxes]) -> None:
        """Takes in the predictions for some images. Raises ValueError for a prediction without scores."""
        check_lengths(predictions=predictions, targets=targets)
        self.ground_truths.append(ground_truths_of(targets, self.count))
        self.detections.append(detections_of(predictions, self.count))
        self.count += len(targets)

    def compute(self) -> DetectionResult:
        if self.count == 0:
            return DetectionResult(count=0)
        return detection_result(join(self.ground_truths), join(self.detections), self.class_names, self.count)

    def merge(self, other: DetectionMetric) -> None:
        self.ground_truths += [replace(part, image=part.image + self.count) for part in other.ground_truths]
        self.detections += [replace(part, image=part.image + self.count) for part in other.detections]
        self.count += other.count
