"""AlexNet, as in its paper and as torchvision has it. `hidden` is the width of the two hidden layers."""

from __future__ import annotations

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.alexnet import AlexNet, AlexNetTorchvision
from zorki.nn.heads.class_heads import FlattenHead
from zorki.registry import model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification
from zorki.weights.weight_map import WeightMap


@model(Classification)
def alexnet(
    num_classes: int,
    *,
    image_size: int = 227,
    in_channels: int = 3,
    dropout: float = 0.5,
    hidden: int = 4096,
    groups: int = 2,
) -> Classifier:
    """AlexNet (Krizhevsky et al., 2012) as in the paper: response normalization, overlapping pools, 2 groups."""
    backbone = AlexNet(in_channels, groups=groups)
    backbone.check_size(image_size, "alexnet")
    head = FlattenHead(backbone.channels[-1], num_classes, grid=6, hidden=hidden, dropout=dropout)
    return Classifier(
        backbone,
        head,
        num_classes=num_classes,
        preprocess=ResizeCrop(image_size, 0.875),
        channels=in_channels,
        # Without batch norm, larger rates send it off.
        defaults=TrainingDefaults(lr=0.01, clip_grad=5.0),
    )


@model(Classification, weights={"imagenet": "torchvision:AlexNet_Weights.IMAGENET1K_V1"})
def alexnet_torchvision(
    num_classes: int, *, image_size: int = 224, in_channels: int = 3, dropout: float = 0.5, hidden: int = 4096
) -> Classifier:
    """AlexNet as torchvision ships it (Krizhevsky, 2014): 64-192-384-256-256, no response normalization."""
    backbone = AlexNetTorchvision(in_channels)
    backbone.check_size(image_size, "alexnet_torchvision")
    head = FlattenHead(backbone.channels[-1], num_classes, grid=6, hidden=hidden, dropout=dropout, dropout_first=True)
    return Classifier(
        backbone,
        head,
        num_classes=num_classes,
        preprocess=ResizeCrop(image_size, 0.875),
        channels=in_channels,
        weight_map=WeightMap({"classifier.": "head.classifier."}),
        # Without batch norm, larger rates send it off.
        defaults=TrainingDefaults(lr=0.01, clip_grad=5.0),
    )
