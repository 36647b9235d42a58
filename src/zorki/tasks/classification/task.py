"""Classification: which of K classes does the image show?"""

from __future__ import annotations

from zorki.contracts import Task
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
    settings = ClassificationSettings
    data = ClassificationData()
    evaluation = ClassificationEvaluation()
    presentation = ClassificationPresentation()
