"""SqueezeNet 1.0 and 1.1."""

from __future__ import annotations

from typing import Literal

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.named import backbone_weights
from zorki.nn.backbones.squeezenet import SqueezeNet
from zorki.nn.heads.class_heads import ConvHead
from zorki.registry import Variant, model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification
from zorki.weights.weight_map import WeightMap


@model(
    Classification,
    variants=[
        Variant(
            "squeezenet1_0",
            "SqueezeNet 1.0 (Iandola et al., 2016): AlexNet's accuracy with 1.2 million parameters.",
            {"version": "1_0"},
            weights=backbone_weights("squeezenet1_0"),
        ),
        Variant(
            "squeezenet1_1",
            "SqueezeNet 1.1: as accurate as 1.0 with 2.4 times less computation.",
            {"version": "1_1"},
            weights=backbone_weights("squeezenet1_1"),
        ),
    ],
)
def squeezenet(
    num_classes: int,
    *,
    version: Literal["1_0", "1_1"],
    image_size: int = 224,
    in_channels: int = 3,
    dropout: float = 0.5,
) -> Classifier:
    """SqueezeNet (Iandola et al., 2016)."""
    backbone = SqueezeNet(version, in_channels)
    backbone.check_size(image_size, f"squeezenet{version}")
    return Classifier(
        backbone,
        ConvHead(backbone.channels[-1], num_classes, dropout=dropout),
        num_classes=num_classes,
        preprocess=ResizeCrop(image_size, 0.875),
        channels=in_channels,
        weight_map=WeightMap({"classifier.1.": "head.conv."}),
        # Without batch norm, larger learning rates diverge.
        defaults=TrainingDefaults(lr=0.01, clip_grad=5.0),
    )
