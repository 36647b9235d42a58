"""Scores of classes as labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zorki.types import Label, Placement

if TYPE_CHECKING:
    from zorki.data.images import Array


def decode_labels(outputs: Mapping[str, Array], placements: Sequence[Placement]) -> list[Label[Any]]:
    """The best class of each image, with the probability of every class: "scores" (B, K)."""
    return [Label(int(row.argmax()), row) for row in outputs["scores"]]
