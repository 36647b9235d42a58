"""Figures for detection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zorki.contracts import Metric
from zorki.types import Boxes


class DetectionMetric(Metric[Boxes, Boxes]):
    """COCO's and VOC's average precision."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)

    def update(self, predictions: Sequence[Boxes], targets: Sequence[Boxes]) -> None:
        raise NotImplementedError

    def compute(self) -> dict[str, Any]:
        raise NotImplementedError

    def reset(self) -> None:
        raise NotImplementedError

    def merge(self, other: DetectionMetric) -> None:
        raise NotImplementedError
