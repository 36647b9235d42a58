"""ResNet 18 to 152."""

from __future__ import annotations

from typing import Literal

from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.resnet import ResNet
from zorki.nn.heads.class_heads import PooledHead
from zorki.registry import model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification
from zorki.weights.weight_map import WeightMap


@model(Classification, weights={"imagenet": "torchvision:ResNet18_Weights.IMAGENET1K_V1"})
def resnet18(num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.0) -> Classifier:
    """ResNet of 18 layers (He et al., 2015)."""
    return _resnet(18, num_classes, size, in_channels, dropout)


@model(Classification, weights={"imagenet": "torchvision:ResNet34_Weights.IMAGENET1K_V1"})
def resnet34(num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.0) -> Classifier:
    """ResNet of 34 layers (He et al., 2015)."""
    return _resnet(34, num_classes, size, in_channels, dropout)


@model(Classification, weights={"imagenet": "torchvision:ResNet50_Weights.IMAGENET1K_V1"})
def resnet50(num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.0) -> Classifier:
    """ResNet of 50 layers (He et al., 2015)."""
    return _resnet(50, num_classes, size, in_channels, dropout)


@model(Classification, weights={"imagenet": "torchvision:ResNet101_Weights.IMAGENET1K_V1"})
def resnet101(num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.0) -> Classifier:
    """ResNet of 101 layers (He et al., 2015)."""
    return _resnet(101, num_classes, size, in_channels, dropout)


@model(Classification, weights={"imagenet": "torchvision:ResNet152_Weights.IMAGENET1K_V1"})
def resnet152(num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.0) -> Classifier:
    """ResNet of 152 layers (He et al., 2015)."""
    return _resnet(152, num_classes, size, in_channels, dropout)


def _resnet(
    depth: Literal[18, 34, 50, 101, 152], num_classes: int, size: int, in_channels: int, dropout: float
) -> Classifier:
    backbone = ResNet(depth, in_channels)
    backbone.check_size(size, f"resnet{depth}")
    return Classifier(
        backbone,
        PooledHead(backbone.channels[-1], num_classes, dropout=dropout),
        num_classes=num_classes,
        preprocess=ResizeCrop(size, 0.875),
        channels=in_channels,
        weight_map=WeightMap({"fc.": "head.fc."}),
    )
