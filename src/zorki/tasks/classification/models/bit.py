"""BiT (Kolesnikov et al., 2019: Big Transfer): ResNet-v2 with group norm and weight standardization."""

from __future__ import annotations

from zorki.registry import Variant, model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.models.timm_models import timm_classifier
from zorki.tasks.classification.task import Classification


@model(
    Classification,
    variants=[
        Variant(
            f"bit_resnet{network}",
            summary,
            {"network": network},
            weights={"imagenet": f"timm:resnetv2_{network}_bit.goog_in21k_ft_in1k"},
        )
        for network, summary in (
            (
                "50x1",
                "BiT-M ResNet-50x1 (Kolesnikov et al., 2019), trained on ImageNet-21k and tuned on ImageNet at 448.",
            ),
            (
                "101x1",
                "BiT-M ResNet-101x1 (Kolesnikov et al., 2019), trained on ImageNet-21k and tuned on ImageNet at 448.",
            ),
            (
                "50x3",
                "BiT-M ResNet-50x3, three times as wide (Kolesnikov et al., 2019), ImageNet-21k, then ImageNet at 448.",
            ),
        )
    ],
)
def bit_resnet(
    num_classes: int, *, network: str, image_size: int = 448, in_channels: int = 3, dropout: float = 0.0
) -> Classifier:
    """BiT-M (Kolesnikov et al., 2019), trained on ImageNet-21k and fine-tuned on ImageNet at 448."""
    name = f"resnetv2_{network}_bit.goog_in21k_ft_in1k"
    return timm_classifier(num_classes, name=name, image_size=image_size, in_channels=in_channels, dropout=dropout)
