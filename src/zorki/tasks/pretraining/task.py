"""Self-supervised pretraining: what can be learned of images of which nothing is known?"""

from __future__ import annotations

from zorki.contracts import Task
from zorki.tasks.pretraining.data import PretrainingData
from zorki.tasks.pretraining.evaluation import PretrainingEvaluation
from zorki.tasks.pretraining.presentation import PretrainingPresentation
from zorki.tasks.pretraining.settings import PretrainingSettings
from zorki.types import Annotation, Embedding


class Pretraining(Task[Annotation, Embedding]):
    """A backbone for other tasks; labels, where the data have any, serve evaluation alone."""

    name = "pretraining"
    monitor = "knn"
    summary = "A backbone from images without labels."
    pipeline_tag = "image-feature-extraction"
    keeps_last = True  # choosing an epoch by labels would learn from them
    settings = PretrainingSettings
    data = PretrainingData()
    evaluation = PretrainingEvaluation()
    presentation = PretrainingPresentation()
