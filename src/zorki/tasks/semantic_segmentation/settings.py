"""What a training run of a segmenter can be told beside what all tasks have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from zorki.recipe import Recipe
from zorki.tasks import settings_fields as fields

_HEADING = "Semantic segmentation"


@final
@dataclass(frozen=True)
class SegmentationSettings(Recipe):
    """Loss and augmentation of images with a class for every pixel."""

    task: ClassVar[str] = "semantic_segmentation"
    loss: str | None = fields.pixel_loss(_HEADING)
    border_weight: float = fields.border_weight(_HEADING)
    label_smoothing: float = fields.label_smoothing(_HEADING)
    class_weights: bool = fields.class_weights(_HEADING)
    elastic: float = fields.elastic(_HEADING)
