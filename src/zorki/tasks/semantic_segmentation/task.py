"""Semantic segmentation: of which class is each pixel?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zorki.contracts import Dataset, Model, Task
from zorki.contracts.capabilities import TakesCriterion
from zorki.errors import ZorkiError
from zorki.tasks.semantic_segmentation.data import SegmentationData
from zorki.tasks.semantic_segmentation.evaluation import SegmentationEvaluation
from zorki.tasks.semantic_segmentation.presentation import SegmentationPresentation
from zorki.tasks.semantic_segmentation.settings import SegmentationSettings
from zorki.types import ClassInfo, Mask


class SemanticSegmentation(Task[Mask, Mask]):
    """A class for every pixel."""

    name = "semantic_segmentation"
    monitor = "miou"
    summary = "Of which class is each pixel?"
    settings = SegmentationSettings
    data = SegmentationData()
    evaluation = SegmentationEvaluation()
    presentation = SegmentationPresentation()

    def configure(
        self,
        model: Model[Any, Mask, Mask],
        recipe: SegmentationSettings,
        dataset: Dataset[Mask],
        indices: Sequence[int],
    ) -> None:
        """The loss that the recipe names, else the model's own, with weights of classes and label smoothing.

        Raises:
            RecipeError: the loss is not known, or has no such setting.
        """
        from zorki.tasks.semantic_segmentation.criterion import class_weights_of, criterion_of

        assert isinstance(model, TakesCriterion)
        classes = len(dataset.class_names)
        model.replace_criterion(
            lambda own: criterion_of(recipe, own, lambda: class_weights_of(dataset, indices, classes))
        )

    def export(self, model: Model[Any, Mask, Mask], path: Path, height: int, width: int, info: ClassInfo) -> Path:
        """Maps of scores and of classes; see `zorki.tasks.semantic_segmentation.export`."""
        from zorki.tasks.semantic_segmentation.export import export_onnx
        from zorki.tasks.semantic_segmentation.networks.segmenter import Segmenter

        if not isinstance(model, Segmenter):
            raise ZorkiError(f"{type(model).__name__} is no Segmenter, and only those can be written as ONNX")
        return export_onnx(model, path, height, width, info.names)
