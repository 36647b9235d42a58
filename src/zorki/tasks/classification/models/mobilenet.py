"""MobileNetV3, small and large."""

from __future__ import annotations

from typing import Literal

from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.mobilenet import MobileNetV3
from zorki.nn.heads.class_heads import HiddenHead
from zorki.registry import model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification
from zorki.weights.weight_map import WeightMap


@model(Classification, weights={"imagenet": "torchvision:MobileNet_V3_Small_Weights.IMAGENET1K_V1"})
def mobilenet_v3_small(num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.2) -> Classifier:
    """MobileNetV3 small (Howard et al., 2019): 2.5 million parameters."""
    return _mobilenet("small", 1024, num_classes, size, in_channels, dropout)


@model(Classification, weights={"imagenet": "torchvision:MobileNet_V3_Large_Weights.IMAGENET1K_V1"})
def mobilenet_v3_large(num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.2) -> Classifier:
    """MobileNetV3 large (Howard et al., 2019): 5.5 million parameters."""
    return _mobilenet("large", 1280, num_classes, size, in_channels, dropout)


def _mobilenet(
    version: Literal["small", "large"], hidden: int, num_classes: int, size: int, in_channels: int, dropout: float
) -> Classifier:
    backbone = MobileNetV3(version, in_channels)
    backbone.check_size(size, f"mobilenet_v3_{version}")
    return Classifier(
        backbone,
        HiddenHead(backbone.channels[-1], num_classes, hidden=hidden, dropout=dropout),
        num_classes=num_classes,
        preprocess=ResizeCrop(size, 0.875),
        channels=in_channels,
        weight_map=WeightMap({"classifier.0.": "head.hidden.", "classifier.3.": "head.fc."}),
    )
