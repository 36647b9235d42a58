"""ResNet for small images, 20 to 110 layers."""

from __future__ import annotations

from typing import Literal

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.cifar_resnet import CifarResNet
from zorki.nn.heads.class_heads import PooledHead
from zorki.registry import Variant, model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification
from zorki.weights.weight_map import WeightMap


@model(
    Classification,
    variants=[
        Variant(
            f"cifar_resnet{depth}",
            f"ResNet of {depth} layers for 32x32 images (He et al., 2015, section 4.2).",
            {"depth": depth},
            weights={},
        )
        for depth in (20, 32, 44, 56, 110)
    ],
)
def cifar_resnet(
    num_classes: int,
    *,
    depth: int,
    image_size: int = 32,
    in_channels: int = 3,
    dropout: float = 0.0,
    shortcut: Literal["A", "B"] = "A",
) -> Classifier:
    """ResNet for 32x32 images (He et al., 2015, section 4.2)."""
    backbone = CifarResNet(depth, in_channels, shortcut=shortcut)
    backbone.check_size(image_size, f"cifar_resnet{depth}")
    return Classifier(
        backbone,
        PooledHead(backbone.channels[-1], num_classes, dropout=dropout),
        num_classes=num_classes,
        preprocess=ResizeCrop(image_size),
        channels=in_channels,
        weight_map=WeightMap({"linear.": "head.fc.", "fc.": "head.fc."}),
        defaults=TrainingDefaults(lr=0.1, translate=0.125),
    )
