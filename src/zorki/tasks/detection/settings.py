"""What a training run of a detector can be told beside what all tasks have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from zorki.recipe import Recipe
from zorki.settings import setting
from zorki.tasks import settings_fields as fields

_HEADING = "Detection"


@final
@dataclass(frozen=True)
class DetectionSettings(Recipe):
    """Augmentation of images with boxes; these cannot follow an image through an elastic deformation."""

    task: ClassVar[str] = "detection"
    mosaic: float = setting(
        0.0, _HEADING, "Probability of a mosaic of four images, such as 0.5.", least=0, most=1, off=0.0
    )
    mixup: float = fields.mixup(_HEADING)
