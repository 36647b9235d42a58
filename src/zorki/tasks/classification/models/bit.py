"""BiT (Kolesnikov et al., 2019: Big Transfer): ResNet-v2 with group norm and weight standardization."""

from __future__ import annotations

from zorki.registry import model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.models.timm_models import timm_classifier
from zorki.tasks.classification.task import Classification


@model(Classification, weights={"imagenet": "timm:resnetv2_50x1_bit.goog_in21k_ft_in1k"})
def bit_resnet50x1(num_classes: int, *, size: int = 448, in_channels: int = 3, dropout: float = 0.0) -> Classifier:
    """BiT-M ResNet-50x1 (Kolesnikov et al., 2019), trained on ImageNet-21k and tuned on ImageNet at 448."""
    name = "resnetv2_50x1_bit.goog_in21k_ft_in1k"
    return timm_classifier(num_classes, name=name, size=size, in_channels=in_channels, dropout=dropout)


@model(Classification, weights={"imagenet": "timm:resnetv2_101x1_bit.goog_in21k_ft_in1k"})
def bit_resnet101x1(num_classes: int, *, size: int = 448, in_channels: int = 3, dropout: float = 0.0) -> Classifier:
    """BiT-M ResNet-101x1 (Kolesnikov et al., 2019), trained on ImageNet-21k and tuned on ImageNet at 448."""
    name = "resnetv2_101x1_bit.goog_in21k_ft_in1k"
    return timm_classifier(num_classes, name=name, size=size, in_channels=in_channels, dropout=dropout)


@model(Classification, weights={"imagenet": "timm:resnetv2_50x3_bit.goog_in21k_ft_in1k"})
def bit_resnet50x3(num_classes: int, *, size: int = 448, in_channels: int = 3, dropout: float = 0.0) -> Classifier:
    """BiT-M ResNet-50x3, three times as wide (Kolesnikov et al., 2019), ImageNet-21k, then ImageNet at 448."""
    name = "resnetv2_50x3_bit.goog_in21k_ft_in1k"
    return timm_classifier(num_classes, name=name, size=size, in_channels=in_channels, dropout=dropout)
