"""FCN as torchvision has it: a dilated ResNet and two convolutions on its last map (after Long et al., 2015)."""

from __future__ import annotations

from typing import Literal

from zorki.nn.backbones.dilated import dilate
from zorki.nn.backbones.named import IMAGENET
from zorki.nn.backbones.resnet import ResNet
from zorki.nn.heads.map_heads import ConvMapHead
from zorki.registry import model
from zorki.tasks.semantic_segmentation.networks.dilated_segmenter import DilatedSegmenter
from zorki.tasks.semantic_segmentation.networks.torchvision_segmenter import torchvision_segmenter
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation


@model(
    SemanticSegmentation,
    weights={"coco": "torchvision:FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1", "imagenet": IMAGENET["resnet50"]},
)
def fcn_resnet50(num_classes: int, *, shorter: int = 520, longest: int = 1040) -> DilatedSegmenter:
    """A dilated ResNet-50 with a head of convolutions, the twin of torchvision's FCN; no skips."""
    return _on_resnet(50, num_classes, shorter, longest)


@model(
    SemanticSegmentation,
    weights={"coco": "torchvision:FCN_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1", "imagenet": IMAGENET["resnet101"]},
)
def fcn_resnet101(num_classes: int, *, shorter: int = 520, longest: int = 1040) -> DilatedSegmenter:
    """A dilated ResNet-101 with a head of convolutions, the twin of torchvision's FCN; no skips."""
    return _on_resnet(101, num_classes, shorter, longest)


def _on_resnet(depth: Literal[50, 101], num_classes: int, shorter: int, longest: int) -> DilatedSegmenter:
    network = dilate(ResNet(depth), 8)
    head = ConvMapHead(network.channels[-1], num_classes)
    return torchvision_segmenter(network, head, num_classes=num_classes, shorter=shorter, longest=longest)
