"""What a training run of an embedding can be told beside what all tasks have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from zorki.recipe import Recipe
from zorki.settings import setting

_HEADING = "Retrieval"


@final
@dataclass(frozen=True)
class RetrievalSettings(Recipe):
    """Batches for losses that compare images."""

    task: ClassVar[str] = "retrieval"
    samples_per_class: int = setting(
        4,
        _HEADING,
        "Images of each class in a batch (the K of P x K); the batch size, divided by it, is the number of classes.",
        least=2,
    )
