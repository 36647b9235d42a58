"""Instance segmentation: which objects are in the image, and which pixels are of each?"""

from __future__ import annotations

from zorki.contracts import Task
from zorki.contracts.model_suggestion import ModelSuggestion
from zorki.tasks.instance_segmentation.data import InstanceData
from zorki.tasks.instance_segmentation.evaluation import InstanceEvaluation
from zorki.tasks.instance_segmentation.presentation import InstancePresentation
from zorki.tasks.instance_segmentation.settings import InstanceSettings
from zorki.types import Instances


class InstanceSegmentation(Task[Instances, Instances]):
    """Masks with boxes, classes and scores."""

    name = "instance_segmentation"
    monitor = "mask_ap"
    summary = "Which pixels are of which object? A mask, a box, a class and a score for every object."
    pipeline_tag = "image-segmentation"
    settings = InstanceSettings
    suggestions = (
        ModelSuggestion("mask_rcnn_squeezenet_fpn"),
        ModelSuggestion("mask_rcnn_resnet50_fpn", images=500, gpu=True),
    )
    data = InstanceData()
    evaluation = InstanceEvaluation()
    presentation = InstancePresentation()
