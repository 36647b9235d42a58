"""What a training run of an embedding can be told beside what all tasks have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from zorki.recipe import Recipe
from zorki.settings import setting
from zorki.tasks import settings_fields as fields

_HEADING = "Retrieval"


@final
@dataclass(frozen=True)
class RetrievalSettings(Recipe):
    """Batches for losses that compare images, and their augmentation."""

    task: ClassVar[str] = "retrieval"
    samples_per_class: int = setting(
        4,
        _HEADING,
        "Images of each class in a batch (the K of P x K); the batch size, divided by it, is the number of classes.",
        least=2,
    )
    elastic: float = fields.elastic(_HEADING)
