"""Semantic segmentation: of which class is each pixel?"""

from __future__ import annotations

from zorki.contracts import Task
from zorki.types import Mask


class SemanticSegmentation(Task[Mask, Mask]):
    """A class for every pixel."""

    name = "semantic_segmentation"
    monitor = "miou"
    summary = "Of which class is each pixel?"
