"""MobileNetV3, small and large."""

from __future__ import annotations

from typing import Literal

from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.mobilenet import MobileNetV3
from zorki.nn.backbones.named import backbone_weights
from zorki.nn.heads.class_heads import HiddenHead
from zorki.registry import Variant, model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification
from zorki.weights.weight_map import WeightMap


@model(
    Classification,
    variants=[
        Variant(
            "mobilenet_v3_small",
            "MobileNetV3 small (Howard et al., 2019): 2.5 million parameters.",
            {"version": "small"},
            weights=backbone_weights("mobilenet_v3_small"),
        ),
        Variant(
            "mobilenet_v3_large",
            "MobileNetV3 large (Howard et al., 2019): 5.5 million parameters.",
            {"version": "large"},
            weights=backbone_weights("mobilenet_v3_large"),
        ),
    ],
)
def mobilenet_v3(
    num_classes: int,
    *,
    version: Literal["small", "large"],
    image_size: int = 224,
    in_channels: int = 3,
    dropout: float = 0.2,
) -> Classifier:
    """MobileNetV3 (Howard et al., 2019)."""
    backbone = MobileNetV3(version, in_channels)
    backbone.check_size(image_size, f"mobilenet_v3_{version}")
    hidden = {"small": 1024, "large": 1280}[version]
    return Classifier(
        backbone,
        HiddenHead(backbone.channels[-1], num_classes, hidden=hidden, dropout=dropout),
        num_classes=num_classes,
        preprocess=ResizeCrop(image_size, 0.875),
        channels=in_channels,
        weight_map=WeightMap({"classifier.0.": "head.hidden.", "classifier.3.": "head.fc."}),
    )
