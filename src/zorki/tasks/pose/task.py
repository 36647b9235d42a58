"""Pose: where is each joint of each object?"""

from __future__ import annotations

from zorki.contracts import Task
from zorki.contracts.model_suggestion import ModelSuggestion
from zorki.tasks.pose.data import PoseData
from zorki.tasks.pose.evaluation import PoseEvaluation
from zorki.tasks.pose.presentation import PosePresentation
from zorki.tasks.pose.settings import PoseSettings
from zorki.types import Keypoints


class Pose(Task[Keypoints, Keypoints]):
    """The joints of objects whose boxes are known, or of images with one object each."""

    name = "pose"
    monitor = "oks_ap"
    summary = "Where is each joint? The points of a skeleton for every person, face or other object."
    pipeline_tag = "keypoint-detection"
    settings = PoseSettings
    suggestions = (ModelSuggestion("deep_pose_resnet18"), ModelSuggestion("deep_pose_resnet50", images=500, gpu=True))
    data = PoseData()
    evaluation = PoseEvaluation()
    presentation = PosePresentation()
