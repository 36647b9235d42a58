"""ResNet for small images, 20 to 110 layers."""

from __future__ import annotations

from typing import Literal

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.cifar_resnet import CifarResNet
from zorki.nn.heads.class_heads import PooledHead
from zorki.registry import model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification
from zorki.weights.weight_map import WeightMap


@model(Classification)
def cifar_resnet20(
    num_classes: int, *, size: int = 32, in_channels: int = 3, dropout: float = 0.0, shortcut: Literal["A", "B"] = "A"
) -> Classifier:
    """ResNet of 20 layers for 32x32 images (He et al., 2015, section 4.2)."""
    return _cifar_resnet(20, num_classes, size, in_channels, dropout, shortcut)


@model(Classification)
def cifar_resnet32(
    num_classes: int, *, size: int = 32, in_channels: int = 3, dropout: float = 0.0, shortcut: Literal["A", "B"] = "A"
) -> Classifier:
    """ResNet of 32 layers for 32x32 images (He et al., 2015, section 4.2)."""
    return _cifar_resnet(32, num_classes, size, in_channels, dropout, shortcut)


@model(Classification)
def cifar_resnet44(
    num_classes: int, *, size: int = 32, in_channels: int = 3, dropout: float = 0.0, shortcut: Literal["A", "B"] = "A"
) -> Classifier:
    """ResNet of 44 layers for 32x32 images (He et al., 2015, section 4.2)."""
    return _cifar_resnet(44, num_classes, size, in_channels, dropout, shortcut)


@model(Classification)
def cifar_resnet56(
    num_classes: int, *, size: int = 32, in_channels: int = 3, dropout: float = 0.0, shortcut: Literal["A", "B"] = "A"
) -> Classifier:
    """ResNet of 56 layers for 32x32 images (He et al., 2015, section 4.2)."""
    return _cifar_resnet(56, num_classes, size, in_channels, dropout, shortcut)


@model(Classification)
def cifar_resnet110(
    num_classes: int, *, size: int = 32, in_channels: int = 3, dropout: float = 0.0, shortcut: Literal["A", "B"] = "A"
) -> Classifier:
    """ResNet of 110 layers for 32x32 images (He et al., 2015, section 4.2)."""
    return _cifar_resnet(110, num_classes, size, in_channels, dropout, shortcut)


def _cifar_resnet(
    depth: int, num_classes: int, size: int, in_channels: int, dropout: float, shortcut: Literal["A", "B"]
) -> Classifier:
    backbone = CifarResNet(depth, in_channels, shortcut=shortcut)
    backbone.check_size(size, f"cifar_resnet{depth}")
    return Classifier(
        backbone,
        PooledHead(backbone.channels[-1], num_classes, dropout=dropout),
        num_classes=num_classes,
        preprocess=ResizeCrop(size),
        channels=in_channels,
        weight_map=WeightMap({"linear.": "head.fc.", "fc.": "head.fc."}),
        defaults=TrainingDefaults(lr=0.1, translate=0.125),
    )
