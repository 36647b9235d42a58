"""Classification: which of K classes does the image show?"""

from __future__ import annotations

from zorki.contracts import Task
from zorki.contracts.model_suggestion import ModelSuggestion
from zorki.tasks.classification.data import ClassificationData
from zorki.tasks.classification.evaluation import ClassificationEvaluation
from zorki.tasks.classification.presentation import ClassificationPresentation
from zorki.tasks.classification.settings import ClassificationSettings
from zorki.types import Label


class Classification(Task[Label, Label]):
    """One label an image."""

    name = "classification"
    monitor = "top1"
    summary = "Which of K classes does the image show?"
    pipeline_tag = "image-classification"
    settings = ClassificationSettings
    suggestions = (
        ModelSuggestion("cifar_resnet20"),
        ModelSuggestion("resnet18", side=65),
        ModelSuggestion("resnet50", side=65, images=10_000, gpu=True),
    )
    data = ClassificationData()
    evaluation = ClassificationEvaluation()
    presentation = ClassificationPresentation()
