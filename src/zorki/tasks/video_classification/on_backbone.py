"""Networks for films on any backbone for images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from zorki.data.preprocess.clips import Clips
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.nn.backbones.named import backbone as named_backbone
from zorki.nn.backbones.named import backbone_published, backbone_statistics
from zorki.registry import Variant
from zorki.tasks.video_classification.frames import FrameClassifier
from zorki.weights.weight_map import WeightMap

_NAMED = {"mobilenet_v3_small": "MobileNetV3 small", "resnet18": "ResNet-18", "resnet50": "ResNet-50"}


def on_named_backbones(method: str, summary: str, fixed: Mapping[str, Any] | None = None) -> list[Variant]:
    """The models of a method that listings show; any other backbone serves as well.

    Args:
        summary: one line, with "{title}" where the backbone's goes.
        fixed: arguments of the builder that the method's version is made of.
    """
    return [
        Variant(f"{method}_{name}", summary.format(title=title), {"backbone": name, **(fixed or {})})
        for name, title in _NAMED.items()
    ]


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
