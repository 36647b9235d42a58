"""Vectors as embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zorki.types import Embedding, Placement

if TYPE_CHECKING:
    from zorki.data.images import Array


def decode_embeddings(outputs: Mapping[str, Array], placements: Sequence[Placement]) -> list[Embedding[Any]]:
    """The vector of length 1 of each image: "embedding" (B, D)."""
    return [Embedding(vector) for vector in outputs["embedding"]]
