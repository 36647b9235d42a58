"""LeNet-5."""

from __future__ import annotations

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.pad import Pad
from zorki.nn.backbones.lenet import LeNet5
from zorki.nn.heads.class_heads import LeNetHead
from zorki.registry import model
from zorki.tasks.classification.classifier import Classifier
from zorki.tasks.classification.task import Classification


@model(Classification)
def lenet5(num_classes: int, *, image_size: int = 32, in_channels: int = 1) -> Classifier:
    """LeNet-5 (LeCun et al., 1998): partial connections, trainable subsampling, scaled tanh.

    Images smaller than `image_size` are padded, as the paper's 28x28 digits are. At another size C5's kernel
    follows.
    """
    backbone = LeNet5(in_channels, image_size)
    head = LeNetHead(backbone.channels[-1], num_classes)
    return Classifier(
        backbone,
        head,
        num_classes=num_classes,
        preprocess=Pad(image_size),
        channels=in_channels,
        defaults=TrainingDefaults(precision="32"),  # too small to gain from less
    )
