"""Figures for detection: how well things are found, at which score to run it, and what goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from zorki.contracts import Metric
from zorki.tasks.detection.coco import coco_curves
from zorki.tasks.detection.columns import Detections, Truths, detections_of, join, truths_of
from zorki.types import Boxes, check_lengths


class DetectionMetric(Metric[Boxes, Boxes]):
    """COCO's and VOC's average precision."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)
        self.reset()

    def reset(self) -> None:
        self.count = 0
        self.truths: list[Truths] = []
        self.detections: list[Detections] = []

    def update(self, predictions: Sequence[Boxes], targets: Sequence[Boxes]) -> None:
        """Takes in the answers for some pictures. Raises ValueError for a prediction without scores."""
        check_lengths(predictions=predictions, targets=targets)
        self.truths.append(truths_of(targets, self.count))
        self.detections.append(detections_of(predictions, self.count))
        self.count += len(targets)

    def compute(self) -> dict[str, Any]:
        """Figures by name."""
        if self.count == 0:
            return {"count": 0}
        truths, detections = join(self.truths), join(self.detections)
        curves = coco_curves(truths, detections, num_images=self.count, num_classes=len(self.class_names))
        figures = curves.figures()
        counted = truths.label[truths.counted]
        return {
            "count": self.count,
            **{name: value if value is not None or "_" in name else 0.0 for name, value in figures.items()},
            "per_class": {
                name: {"count": int((counted == k).sum()), **curves.of_class(k)}
                for k, name in enumerate(self.class_names)
            },
        }

    def merge(self, other: DetectionMetric) -> None:
        self.truths += [replace(part, image=part.image + self.count) for part in other.truths]
        self.detections += [replace(part, image=part.image + self.count) for part in other.detections]
        self.count += other.count
