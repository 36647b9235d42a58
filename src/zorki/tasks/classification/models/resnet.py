"""ResNet 18 to 152."""

from __future__ import annotations

from typing import Literal, get_args

from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.errors import RecipeError
from zorki.nn.backbones.named import backbone_weights
from zorki.nn.backbones.resnet import ResNet, Stem
from zorki.nn.heads.class_heads import PooledHead
from zorki.registry import Variant, model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification
from zorki.weights.weight_map import WeightMap


@model(
    Classification,
    variants=[
        Variant(
            f"resnet{depth}",
            f"ResNet of {depth} layers (He et al., 2015).",
            {"depth": depth},
            weights=backbone_weights(f"resnet{depth}"),
        )
        for depth in (18, 34, 50, 101, 152)
    ],
)
def resnet(
    num_classes: int,
    *,
    depth: Literal[18, 34, 50, 101, 152],
    image_size: int = 224,
    in_channels: int = 3,
    dropout: float = 0.0,
    stem: Stem = "7x7",
) -> Classifier:
    """ResNet (He et al., 2015).

    Args:
        stem: "7x7", or "3x3" without a max-pool for images of 64 pixels and below.
    """
    if stem not in get_args(Stem):
        raise RecipeError(f"stem is one of {', '.join(get_args(Stem))}; got {stem!r}")
    backbone = ResNet(depth, in_channels, stem=stem)
    backbone.check_size(image_size, f"resnet{depth}")
    return Classifier(
        backbone,
        PooledHead(backbone.channels[-1], num_classes, dropout=dropout),
        num_classes=num_classes,
        preprocess=ResizeCrop(image_size, 0.875),
        channels=in_channels,
        weight_map=WeightMap({"fc.": "head.fc."}),
    )
