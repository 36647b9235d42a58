"""Frames averaged: an image network on every frame, and the mean of their features or of their scores.

The plainest network for films (Karpathy et al., 2014, compare it as single frames): it does not know their order.
"""

from __future__ import annotations

from typing import Any, Literal

from zorki.contracts import Model
from zorki.registry import model
from zorki.tasks.video_classification.frames import AverageFeatures, AverageScores
from zorki.tasks.video_classification.on_backbone import frame_classifier, on_named_backbones
from zorki.tasks.video_classification.task import VideoClassification


@model(
    VideoClassification,
    variants=on_named_backbones("frame_average", "Mean over frames: {title}."),
    any_backbone="frame_average_{backbone}",
)
def frame_average(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 224,
    frames: int = 8,
    stride: int = 4,
    average: Literal["features", "scores"] = "features",
    dropout: float = 0.0,
) -> Model[Any, Any, Any]:
    """Features or scores of single frames, averaged.

    Args:
        backbone: name of the backbone, see `zorki.nn.backbones.named`.
        image_size: side of the network's input, in pixels.
        frames: of a clip.
        stride: every so many-th frame of a film is taken.
        average: "features", before the classifier, or "scores", the probabilities of each frame.
        dropout: probability, of the features.
    """
    head = AverageFeatures if average == "features" else AverageScores
    return frame_classifier(
        backbone, lambda width: head(width, num_classes, dropout), num_classes, image_size=image_size, frames=frames,
        stride=stride,
    )  # fmt: skip
