"""Detection: what is where? A box, a class and a score for every object."""

from __future__ import annotations

from zorki.contracts import Task
from zorki.contracts.model_suggestion import ModelSuggestion
from zorki.tasks.detection.data import DetectionData
from zorki.tasks.detection.evaluation import DetectionEvaluation
from zorki.tasks.detection.presentation import DetectionPresentation
from zorki.tasks.detection.settings import DetectionSettings
from zorki.types import Boxes


class Detection(Task[Boxes, Boxes]):
    """Boxes with classes and scores."""

    name = "detection"
    monitor = "ap"
    summary = "What is where? A box, a class and a score for every object."
    pipeline_tag = "object-detection"
    settings = DetectionSettings
    suggestions = (
        ModelSuggestion("fcos_mobilenet_v3_large"),
        ModelSuggestion("fcos_resnet50", images=500, gpu=True),
    )
    data = DetectionData()
    evaluation = DetectionEvaluation()
    presentation = DetectionPresentation()
