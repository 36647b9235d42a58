"""Classification: which of K classes does the image show?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from zorki.contracts import Dataset, Model, Task
from zorki.contracts.capabilities import TakesCriterion
from zorki.errors import ZorkiError
from zorki.tasks.classification.data import ClassificationData
from zorki.tasks.classification.evaluation import ClassificationEvaluation
from zorki.tasks.classification.presentation import ClassificationPresentation
from zorki.tasks.classification.settings import ClassificationSettings
from zorki.types import ClassInfo, Label


class Classification(Task[Label, Label]):
    """One label an image."""

    name = "classification"
    monitor = "top1"
    summary = "Which of K classes does the image show?"
    settings = ClassificationSettings
    data = ClassificationData()
    evaluation = ClassificationEvaluation()
    presentation = ClassificationPresentation()

    def configure(
        self,
        model: Model[Any, Label, Label],
        recipe: ClassificationSettings,
        dataset: Dataset[Label],
        indices: Sequence[int],
    ) -> None:
        """Label smoothing, and class weights N / (K n_k): a class with few images counts as much as any other."""
        from zorki.losses.cross_entropy import CrossEntropy

        weights = None
        if recipe.class_weights:
            num_classes = len(dataset.class_names)
            labels = torch.tensor([dataset.target(index).index for index in indices])
            counts = torch.bincount(labels, minlength=num_classes)
            weights = len(labels) / (num_classes * counts.clamp_min(1).float())
        assert isinstance(model, TakesCriterion)
        model.replace_criterion(lambda own: CrossEntropy(label_smoothing=recipe.label_smoothing, weights=weights))

    def export(self, model: Model[Any, Label, Label], path: Path, height: int, width: int, info: ClassInfo) -> Path:
        """Scores of the classes; see `zorki.tasks.classification.export`."""
        from zorki.tasks.classification.classifier import Classifier
        from zorki.tasks.classification.export import export_onnx

        if not isinstance(model, Classifier):
            raise ZorkiError(f"{type(model).__name__} is no Classifier, and only those can be written as ONNX")
        return export_onnx(model, path, height, width, info.names)
