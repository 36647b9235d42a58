"""VGG, configurations A to E of Table 1.

`hidden` is the width of the two hidden layers, 4096 in the paper: at small sizes 512 saves nine tenths of the weights.
"""

from __future__ import annotations

from typing import Literal

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.vgg import Vgg
from zorki.nn.heads.class_heads import FlattenHead
from zorki.registry import model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification
from zorki.weights.weight_map import WeightMap


@model(Classification, weights={"imagenet": "torchvision:VGG11_Weights.IMAGENET1K_V1"})
def vgg11(
    num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.5, hidden: int = 4096
) -> Classifier:
    """VGG, configuration A, 11 layers (Simonyan and Zisserman, 2014)."""
    return _vgg("A", num_classes, size, in_channels, dropout, hidden)


@model(Classification, weights={"imagenet": "torchvision:VGG13_Weights.IMAGENET1K_V1"})
def vgg_b(
    num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.5, hidden: int = 4096
) -> Classifier:
    """VGG, configuration B, 13 layers (Simonyan and Zisserman, 2014)."""
    return _vgg("B", num_classes, size, in_channels, dropout, hidden)


@model(Classification, weights={"imagenet": "torchvision:VGG13_Weights.IMAGENET1K_V1"})
def vgg13(
    num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.5, hidden: int = 4096
) -> Classifier:
    """The same as vgg_b, under torchvision's name."""
    return _vgg("B", num_classes, size, in_channels, dropout, hidden)


@model(Classification)
def vgg_c(
    num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.5, hidden: int = 4096
) -> Classifier:
    """VGG, configuration C, 16 layers of which three are 1x1 (Simonyan and Zisserman, 2014)."""
    return _vgg("C", num_classes, size, in_channels, dropout, hidden)


@model(Classification, weights={"imagenet": "torchvision:VGG16_Weights.IMAGENET1K_V1"})
def vgg16(
    num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.5, hidden: int = 4096
) -> Classifier:
    """VGG, configuration D, 16 layers (Simonyan and Zisserman, 2014)."""
    return _vgg("D", num_classes, size, in_channels, dropout, hidden)


@model(Classification, weights={"imagenet": "torchvision:VGG16_BN_Weights.IMAGENET1K_V1"})
def vgg16_bn(
    num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.5, hidden: int = 4096
) -> Classifier:
    """VGG, configuration D, with batch norm behind every convolution."""
    return _vgg("D", num_classes, size, in_channels, dropout, hidden, batch_norm=True)


@model(Classification, weights={"imagenet": "torchvision:VGG19_Weights.IMAGENET1K_V1"})
def vgg19(
    num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.5, hidden: int = 4096
) -> Classifier:
    """VGG, configuration E, 19 layers (Simonyan and Zisserman, 2014)."""
    return _vgg("E", num_classes, size, in_channels, dropout, hidden)


def _vgg(
    configuration: Literal["A", "B", "C", "D", "E"],
    num_classes: int,
    size: int,
    in_channels: int,
    dropout: float,
    hidden: int,
    batch_norm: bool = False,
) -> Classifier:
    backbone = Vgg(configuration, batch_norm=batch_norm, in_channels=in_channels)
    backbone.check_size(size, f"VGG {configuration}")
    head = FlattenHead(backbone.channels[-1], num_classes, grid=7, hidden=hidden, dropout=dropout)
    return Classifier(
        backbone,
        head,
        num_classes=num_classes,
        preprocess=ResizeCrop(size, 0.875),
        channels=in_channels,
        weight_map=WeightMap({"classifier.": "head.classifier."}),
        # Without batch norm, larger rates send it off.
        defaults=TrainingDefaults() if batch_norm else TrainingDefaults(lr=0.01, clip_grad=5.0),
    )
