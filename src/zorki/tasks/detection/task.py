"""Detection: what is where? A box, a class and a score for every object."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zorki.contracts import Dataset, Task
from zorki.tasks.detection.metrics import DetectionMetric
from zorki.types import Boxes, Sample

if TYPE_CHECKING:
    from zorki.recipe import Recipe


class Detection(Task[Boxes, Boxes]):
    """Boxes with classes and scores."""

    name = "detection"
    monitor = "ap50"
    summary = "What is where? A box, a class and a score for every object."

    @classmethod
    def read(
        cls,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
    ) -> Dataset[Boxes]:
        """COCO, Pascal VOC, YOLO, CSV, CVAT, labelme, VIA, or the built-in scenes. Raises DataError."""
        from zorki.data import formats

        return formats.read(root, format, allowed=formats.BOXED, class_names=class_names, max_pixels=max_pixels)

    def augment(self, sample: Sample[Boxes], recipe: Recipe, generator: torch.Generator) -> Sample[Boxes]:
        """Picture and boxes varied together."""
        return dataclasses.replace(sample)

    def metric(self) -> DetectionMetric:
        return DetectionMetric(self.class_names)

    def draw(self, image: Tensor, annotation: Boxes) -> Tensor:
        """The picture with its boxes."""
        from zorki.draw.pictures import boxes

        return boxes(image, annotation, self.class_names)
