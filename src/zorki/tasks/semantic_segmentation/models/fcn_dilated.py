"""FCN as torchvision has it: a dilated ResNet and two convolutions on its last map (after Long et al., 2015)."""

from __future__ import annotations

from typing import Literal

from zorki.nn.backbones.dilated import dilate
from zorki.nn.backbones.named import IMAGENET
from zorki.nn.backbones.resnet import ResNet
from zorki.nn.heads.map_heads import ConvMapHead
from zorki.registry import Variant, model
from zorki.tasks.semantic_segmentation.networks.dilated_segmenter import DilatedSegmenter
from zorki.tasks.semantic_segmentation.networks.torchvision_segmenter import torchvision_segmenter
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation


@model(
    SemanticSegmentation,
    variants=[
        Variant(
            f"fcn_resnet{depth}",
            f"A dilated ResNet-{depth} with a head of convolutions, the twin of torchvision's FCN; no skips.",
            {"depth": depth},
            weights={
                "coco": f"torchvision:FCN_ResNet{depth}_Weights.COCO_WITH_VOC_LABELS_V1",
                "imagenet": IMAGENET[f"resnet{depth}"],
            },
        )
        for depth in (50, 101)
    ],
)
def fcn_resnet(
    num_classes: int, *, depth: Literal[50, 101], shorter: int = 520, longest: int = 1040
) -> DilatedSegmenter:
    """A dilated ResNet with a head of convolutions, the twin of torchvision's FCN; no skips."""
    network = dilate(ResNet(depth), 8)
    head = ConvMapHead(network.channels[-1], num_classes)
    return torchvision_segmenter(network, head, num_classes=num_classes, shorter=shorter, longest=longest)
