"""Localization: where is the one object, or each named part, and what is it?"""

from __future__ import annotations

from zorki.contracts import Task
from zorki.tasks.localization.data import LocalizationData
from zorki.tasks.localization.evaluation import LocalizationEvaluation
from zorki.tasks.localization.presentation import LocalizationPresentation
from zorki.tasks.localization.settings import LocalizationSettings
from zorki.types import Boxes


class Localization(Task[Boxes, Boxes]):
    """One box with a class, or a box for each of K named parts."""

    name = "localization"
    monitor = "mean_iou"
    summary = "Where is the one object of an image, or each of its K named parts? One box each, without a detector."
    pipeline_tag = "object-detection"
    settings = LocalizationSettings
    data = LocalizationData()
    evaluation = LocalizationEvaluation()
    presentation = LocalizationPresentation()
