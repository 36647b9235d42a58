"""Tracking: where does an object go that was shown in the first frame of a video?"""

from __future__ import annotations

from zorki.contracts import Task
from zorki.tasks.tracking.data import TrackingData
from zorki.tasks.tracking.evaluation import TrackingEvaluation
from zorki.tasks.tracking.presentation import TrackingPresentation
from zorki.tasks.tracking.settings import TrackingSettings
from zorki.types import TrackedBoxes


class Tracking(Task[TrackedBoxes, TrackedBoxes]):
    """A box in every frame for an object of any kind, given its box in the first."""

    name = "tracking"
    monitor = "success_auc"
    summary = "Where does an object go that was shown in the first frame of a video?"
    unit = "video"
    settings = TrackingSettings
    data = TrackingData()
    evaluation = TrackingEvaluation()
    presentation = TrackingPresentation()
