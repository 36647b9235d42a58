"""Figures for detection: how well things are found, at which score to run it, and what goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from zorki.contracts import Metric
from zorki.metrics.tables import DetectionTable, GroundTruthTable, join
from zorki.tasks.detection.metrics.scores import detection_figures
from zorki.tasks.detection.metrics.tables import detections_of, truths_of
from zorki.types import Boxes, check_lengths


class DetectionMetric(Metric[Boxes, Boxes]):
    """COCO's and VOC's average precision."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)
        self.reset()

    def reset(self) -> None:
        self.count = 0
        self.truths: list[GroundTruthTable] = []
        self.detections: list[DetectionTable] = []

    def update(self, predictions: Sequence[Boxes], targets: Sequence[Boxes]) -> None:
        """Takes in the answers for some images. Raises ValueError for a prediction without scores."""
        check_lengths(predictions=predictions, targets=targets)
        self.truths.append(truths_of(targets, self.count))
        self.detections.append(detections_of(predictions, self.count))
        self.count += len(targets)

    def compute(self) -> dict[str, Any]:
        """Figures by name."""
        if self.count == 0:
            return {"count": 0}
        truths, detections = join(self.truths), join(self.detections)
        return detection_figures(truths, detections, self.class_names, self.count)

    def merge(self, other: DetectionMetric) -> None:
        self.truths += [replace(part, image=part.image + self.count) for part in other.truths]
        self.detections += [replace(part, image=part.image + self.count) for part in other.detections]
        self.count += other.count
