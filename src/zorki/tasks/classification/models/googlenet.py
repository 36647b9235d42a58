"""GoogLeNet."""

from __future__ import annotations

from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.googlenet import AuxiliaryHeads, GoogLeNet
from zorki.nn.heads.class_heads import PooledHead
from zorki.registry import model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification
from zorki.weights.weight_map import WeightMap


@model(Classification, weights={"imagenet": "torchvision:GoogLeNet_Weights.IMAGENET1K_V1"})
def googlenet(num_classes: int, *, image_size: int = 224, in_channels: int = 3, dropout: float = 0.4) -> Classifier:
    """GoogLeNet (Szegedy et al., 2014), with both auxiliary classifiers in training."""
    backbone = GoogLeNet(in_channels)
    backbone.check_size(image_size, "googlenet")
    return Classifier(
        backbone,
        PooledHead(backbone.channels[-1], num_classes, dropout=dropout),
        num_classes=num_classes,
        preprocess=ResizeCrop(image_size, 0.875),
        channels=in_channels,
        # The published weights come from TensorFlow, whose inputs run from -1 to 1.
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        auxiliary=AuxiliaryHeads(num_classes),
        auxiliary_weight=0.3,
        weight_map=WeightMap({"fc.": "head.fc.", "aux1.": "auxiliary.aux1.", "aux2.": "auxiliary.aux2."}),
    )
