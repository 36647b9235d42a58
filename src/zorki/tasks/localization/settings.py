"""What a training run of localization can be told beside what all tasks have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from zorki.recipe import Recipe
from zorki.tasks import settings_fields as fields

_HEADING = "Localization"


@final
@dataclass(frozen=True)
class LocalizationSettings(Recipe):
    """The loss of the classes, where images have one object; of parts there is none to choose."""

    task: ClassVar[str] = "localization"
    label_smoothing: float = fields.label_smoothing(_HEADING)
    class_weights: bool = fields.class_weights(_HEADING)
