"""VGG, configurations A to E of Table 1.

`hidden` is the width of the two hidden layers, 4096 in the paper: at small sizes 512 saves nine tenths of the weights.
"""

from __future__ import annotations

from typing import Literal

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.named import backbone_weights
from zorki.nn.backbones.vgg import Vgg
from zorki.nn.heads.class_heads import FlattenHead
from zorki.registry import Variant, model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification
from zorki.weights.weight_map import WeightMap

_PAPER = "(Simonyan and Zisserman, 2014)"


@model(
    Classification,
    variants=[
        Variant(name, summary, {"configuration": name_in_table, "batch_norm": norm}, weights=backbone_weights(weights))
        for name, summary, name_in_table, norm, weights in (
            ("vgg11", f"VGG, configuration A, 11 layers {_PAPER}.", "A", False, "vgg11"),
            ("vgg_b", f"VGG, configuration B, 13 layers {_PAPER}.", "B", False, "vgg13"),
            ("vgg13", "The same as vgg_b, under torchvision's name.", "B", False, "vgg13"),
            ("vgg_c", f"VGG, configuration C, 16 layers of which three are 1x1 {_PAPER}.", "C", False, ""),
            ("vgg16", f"VGG, configuration D, 16 layers {_PAPER}.", "D", False, "vgg16"),
            ("vgg16_bn", "VGG, configuration D, with batch norm behind every convolution.", "D", True, "vgg16_bn"),
            ("vgg19", f"VGG, configuration E, 19 layers {_PAPER}.", "E", False, "vgg19"),
        )
    ],
)
def vgg(
    num_classes: int,
    *,
    configuration: Literal["A", "B", "C", "D", "E"],
    batch_norm: bool = False,
    image_size: int = 224,
    in_channels: int = 3,
    dropout: float = 0.5,
    hidden: int = 4096,
) -> Classifier:
    """VGG (Simonyan and Zisserman, 2014)."""
    backbone = Vgg(configuration, batch_norm=batch_norm, in_channels=in_channels)
    backbone.check_size(image_size, f"VGG {configuration}")
    head = FlattenHead(backbone.channels[-1], num_classes, grid=7, hidden=hidden, dropout=dropout)
    return Classifier(
        backbone,
        head,
        num_classes=num_classes,
        preprocess=ResizeCrop(image_size, 0.875),
        channels=in_channels,
        weight_map=WeightMap({"classifier.": "head.classifier."}),
        # Without batch norm, larger learning rates diverge.
        defaults=TrainingDefaults() if batch_norm else TrainingDefaults(lr=0.01, clip_grad=5.0),
    )
