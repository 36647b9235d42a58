"""Vision transformers."""

from __future__ import annotations

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.vit import Vit
from zorki.nn.heads.class_heads import LinearHead
from zorki.registry import Variant, model
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


_LARGE_CROP = 224 / 242  # as torchvision's weights of ViT-L/16 are evaluated


@model(
    Classification,
    variants=[
        Variant(
            "vit_b_16",
            "ViT-B/16 (Dosovitskiy et al., 2020); other sizes than 224 stretch its positions.",
            {"patch": 16, "depth": 12, "heads": 12, "width": 768, "center_crop": 0.875},
            weights={"imagenet": "torchvision:ViT_B_16_Weights.IMAGENET1K_V1"},
        ),
        Variant(
            "vit_b_32",
            "ViT-B/32 (Dosovitskiy et al., 2020); other sizes than 224 stretch its positions.",
            {"patch": 32, "depth": 12, "heads": 12, "width": 768, "center_crop": 0.875},
            weights={"imagenet": "torchvision:ViT_B_32_Weights.IMAGENET1K_V1"},
        ),
        Variant(
            "vit_l_16",
            "ViT-L/16 (Dosovitskiy et al., 2020); other sizes than 224 stretch its positions.",
            {"patch": 16, "depth": 24, "heads": 16, "width": 1024, "center_crop": _LARGE_CROP},
            weights={"imagenet": "torchvision:ViT_L_16_Weights.IMAGENET1K_V1"},
        ),
    ],
)
def vit(
    num_classes: int,
    *,
    patch: int,
    depth: int,
    heads: int,
    width: int,
    center_crop: float,
    image_size: int = 224,
    in_channels: int = 3,
    dropout: float = 0.0,
) -> Classifier:
    """Vision transformer (Dosovitskiy et al., 2020)."""
    backbone = Vit(
        patch=patch, depth=depth, heads=heads, width=width, hidden=4 * width, in_channels=in_channels, dropout=dropout
    )
    return _classifier(backbone, num_classes, image_size, in_channels, center_crop)


@model(Classification)
def vit_tiny_16(num_classes: int, *, image_size: int = 224, in_channels: int = 3, dropout: float = 0.0) -> Classifier:
    """ViT-Ti/16, for laptops: 12 blocks of width 192 with 3 heads (Touvron et al., 2020, Table 1).

    Its positions are made for `image_size`, since no published weights ask for 224.
    """
    backbone = Vit(
        patch=16, depth=12, heads=3, width=192, hidden=768, size=image_size, in_channels=in_channels, dropout=dropout
    )
    return _classifier(backbone, num_classes, image_size, in_channels, 0.875)


def _classifier(backbone: Vit, num_classes: int, image_size: int, in_channels: int, center_crop: float) -> Classifier:
    backbone.check_size(image_size, "a vision transformer")
    return Classifier(
        backbone,
        LinearHead(backbone.channels[-1], num_classes),
        num_classes=num_classes,
        preprocess=ResizeCrop(image_size, center_crop),
        channels=in_channels,
        weight_map=WeightMap(_PUBLISHED),
        # Attention learns poorly from plain momentum.
        defaults=TrainingDefaults(optimizer="adamw", lr=5e-4, warmup_epochs=1.0),
    )
