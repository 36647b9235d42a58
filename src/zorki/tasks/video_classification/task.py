"""Video classification: which of K classes does a film show?"""

from __future__ import annotations

from zorki.contracts import Task
from zorki.contracts.model_suggestion import ModelSuggestion
from zorki.tasks.video_classification.data import VideoClassificationData
from zorki.tasks.video_classification.evaluation import VideoClassificationEvaluation
from zorki.tasks.video_classification.presentation import VideoClassificationPresentation
from zorki.tasks.video_classification.settings import VideoClassificationSettings
from zorki.types import Label, VideoLabel


class VideoClassification(Task[Label, VideoLabel]):
    """One label a film, predicted from clips of it."""

    name = "video_classification"
    monitor = "top1"
    summary = "Which of K classes does a film show, such as what somebody does?"
    pipeline_tag = "video-classification"
    unit = "clip"
    settings = VideoClassificationSettings
    suggestions = (ModelSuggestion("x3d_xs"), ModelSuggestion("r3d_18", images=500, gpu=True))
    data = VideoClassificationData()
    evaluation = VideoClassificationEvaluation()
    presentation = VideoClassificationPresentation()
