"""What a training run of a network for masks of objects can be told beside what all tasks have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from zorki.recipe import Recipe
from zorki.tasks import settings_fields as fields

_HEADING = "Instance segmentation"


@final
@dataclass(frozen=True)
class InstanceSettings(Recipe):
    """Loss, of networks whose loss can be exchanged, and augmentation of images with masks of objects."""

    task: ClassVar[str] = "instance_segmentation"
    loss: str | None = fields.pixel_loss(_HEADING)
    border_weight: float = fields.border_weight(_HEADING)
    elastic: float = fields.elastic(_HEADING)
