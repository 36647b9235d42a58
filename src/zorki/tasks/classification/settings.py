"""What a training run of a classifier can be told beside what all tasks have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from zorki.errors import RecipeError
from zorki.recipe import Recipe
from zorki.settings import setting
from zorki.tasks import settings_fields as fields

_HEADING = "Classification"


@final
@dataclass(frozen=True)
class ClassificationSettings(Recipe):
    """Loss and augmentation of images with one label."""

    task: ClassVar[str] = "classification"
    label_smoothing: float = fields.label_smoothing(_HEADING)
    class_weights: bool = fields.class_weights(_HEADING)
    elastic: float = fields.elastic(_HEADING)
    mixup: float = fields.mixup(_HEADING)
    cutmix: float = setting(0.0, _HEADING, "CutMix: alpha of the Beta distribution, such as 1.0.", least=0, off=0.0)
    reduced_jpeg: bool = setting(
        False,
        _HEADING,
        "Decode JPEG files at 1/2, 1/4 or 1/8 of their size, with at least twice the pixels that the network resizes "
        "to: quicker on large photos; pixels change slightly.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mixup > 0 and self.cutmix > 0:
            raise RecipeError("mixup and cutmix are both above 0; expected one of them: set the other to 0")
