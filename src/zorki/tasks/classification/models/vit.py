"""Vision transformers."""

from __future__ import annotations

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.vit import Vit
from zorki.nn.heads.class_heads import LinearHead
from zorki.registry import model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification
from zorki.weights.weight_map import WeightMap

# torchvision's names. Its older files have the perceptron's layers under names of their own.
_PUBLISHED = {
    "class_token": "backbone.embed.class_token",
    "conv_proj.": "backbone.embed.patches.",
    "encoder.pos_embedding": "backbone.embed.positions",
    "encoder.layers.encoder_layer_": "backbone.blocks.",
    "encoder.ln.": "backbone.norm.",
    "heads.head.": "head.fc.",
    ".mlp.linear_1.": ".mlp.0.",
    ".mlp.linear_2.": ".mlp.3.",
}


@model(Classification)
def vit_tiny_16(num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.0) -> Classifier:
    """ViT-Ti/16, for laptops: 12 blocks of width 192 with 3 heads (Touvron et al., 2020, Table 1).

    Its positions are made for `size`, since no published weights ask for 224.
    """
    backbone = Vit(
        patch=16, depth=12, heads=3, width=192, hidden=768, size=size, in_channels=in_channels, dropout=dropout
    )
    return _vit(backbone, num_classes, size, in_channels, 0.875)


@model(Classification, weights={"imagenet": "torchvision:ViT_B_16_Weights.IMAGENET1K_V1"})
def vit_b_16(num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.0) -> Classifier:
    """ViT-B/16 (Dosovitskiy et al., 2020); other sizes than 224 stretch its positions."""
    backbone = Vit(patch=16, depth=12, heads=12, width=768, hidden=3072, in_channels=in_channels, dropout=dropout)
    return _vit(backbone, num_classes, size, in_channels, 0.875)


@model(Classification, weights={"imagenet": "torchvision:ViT_B_32_Weights.IMAGENET1K_V1"})
def vit_b_32(num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.0) -> Classifier:
    """ViT-B/32 (Dosovitskiy et al., 2020); other sizes than 224 stretch its positions."""
    backbone = Vit(patch=32, depth=12, heads=12, width=768, hidden=3072, in_channels=in_channels, dropout=dropout)
    return _vit(backbone, num_classes, size, in_channels, 0.875)


@model(Classification, weights={"imagenet": "torchvision:ViT_L_16_Weights.IMAGENET1K_V1"})
def vit_l_16(num_classes: int, *, size: int = 224, in_channels: int = 3, dropout: float = 0.0) -> Classifier:
    """ViT-L/16 (Dosovitskiy et al., 2020); other sizes than 224 stretch its positions."""
    backbone = Vit(patch=16, depth=24, heads=16, width=1024, hidden=4096, in_channels=in_channels, dropout=dropout)
    return _vit(backbone, num_classes, size, in_channels, 224 / 242)


def _vit(backbone: Vit, num_classes: int, size: int, in_channels: int, crop_share: float) -> Classifier:
    backbone.check_size(size, "a vision transformer")
    return Classifier(
        backbone,
        LinearHead(backbone.channels[-1], num_classes),
        num_classes=num_classes,
        preprocess=ResizeCrop(size, crop_share),
        channels=in_channels,
        weight_map=WeightMap(_PUBLISHED),
        # Attention learns poorly from plain momentum.
        defaults=TrainingDefaults(optimizer="adamw", lr=5e-4, warmup_epochs=1.0),
    )
