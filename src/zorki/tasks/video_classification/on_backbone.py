"""Networks for films on any backbone for images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from zorki.data.preprocess.clips import Clips
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.named import backbone as named_backbone
from zorki.nn.backbones.named import backbone_published, backbone_statistics
from zorki.registry import backbone_variants
from zorki.tasks.video_classification.frames import FrameClassifier
from zorki.weights.weight_map import WeightMap

# The models of a method that listings show.
on_named_backbones = partial(
    backbone_variants, {"mobilenet_v3_small": "MobileNetV3 small", "resnet18": "ResNet-18", "resnet50": "ResNet-50"}
)


def frame_classifier(
    backbone: str,
    head: Callable[[int], nn.Module],
    num_classes: int,
    *,
    image_size: int,
    frames: int,
    stride: int,
) -> FrameClassifier:
    """The network of a head, which is made for features of so many numbers; see `FrameClassifier`."""
    network = named_backbone(backbone)
    network.check_size(image_size, backbone)
    mean, std = backbone_statistics(backbone)
    return FrameClassifier(
        network,
        head(network.channels[-1]),
        num_classes=num_classes,
        preprocess=Clips(frames, stride, ResizeCrop(image_size, 0.875 if image_size >= 112 else 1.0)),
        mean=mean,
        std=std,
        weight_map=WeightMap(backbone_published(backbone)),
    )
