"""SqueezeNet 1.0 and 1.1."""

from __future__ import annotations

from typing import Literal

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.squeezenet import SqueezeNet
from zorki.nn.heads.class_heads import ConvHead
from zorki.registry import model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification
from zorki.weights.weight_map import WeightMap


@model(Classification, weights={"imagenet": "torchvision:SqueezeNet1_0_Weights.IMAGENET1K_V1"})
def squeezenet1_0(num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.5) -> Classifier:
    """SqueezeNet 1.0 (Iandola et al., 2016): AlexNet's accuracy with 1.2 million parameters."""
    return _squeezenet("1_0", num_classes, size, in_channels, dropout)


@model(Classification, weights={"imagenet": "torchvision:SqueezeNet1_1_Weights.IMAGENET1K_V1"})
def squeezenet1_1(num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.5) -> Classifier:
    """SqueezeNet 1.1: as accurate as 1.0 with 2.4 times less computation."""
    return _squeezenet("1_1", num_classes, size, in_channels, dropout)


def _squeezenet(
    version: Literal["1_0", "1_1"], num_classes: int, size: int, in_channels: int, dropout: float
) -> Classifier:
    backbone = SqueezeNet(version, in_channels)
    backbone.check_size(size, f"squeezenet{version}")
    return Classifier(
        backbone,
        ConvHead(backbone.channels[-1], num_classes, dropout=dropout),
        num_classes=num_classes,
        preprocess=ResizeCrop(size, 0.875),
        channels=in_channels,
        weight_map=WeightMap({"classifier.1.": "head.conv."}),
        # Without batch norm, larger rates send it off.
        defaults=TrainingDefaults(lr=0.01, clip_grad=5.0),
    )
