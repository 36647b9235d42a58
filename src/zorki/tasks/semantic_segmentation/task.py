"""Semantic segmentation: of which class is each pixel?"""

from __future__ import annotations

from zorki.contracts import Task
from zorki.contracts.model_suggestion import ModelSuggestion
from zorki.tasks.semantic_segmentation.data import SegmentationData
from zorki.tasks.semantic_segmentation.evaluation import SegmentationEvaluation
from zorki.tasks.semantic_segmentation.presentation import SegmentationPresentation
from zorki.tasks.semantic_segmentation.settings import SegmentationSettings
from zorki.types import Mask


class SemanticSegmentation(Task[Mask, Mask]):
    """A class for every pixel."""

    name = "semantic_segmentation"
    monitor = "miou"
    summary = "Of which class is each pixel?"
    pipeline_tag = "image-segmentation"
    settings = SegmentationSettings
    suggestions = (
        ModelSuggestion("unet_resnet18"),
        ModelSuggestion("unet_resnet50", images=1_000, gpu=True),
    )
    data = SegmentationData()
    evaluation = SegmentationEvaluation()
    presentation = SegmentationPresentation()
