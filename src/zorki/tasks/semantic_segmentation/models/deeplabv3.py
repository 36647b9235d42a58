"""DeepLabV3: one map, read by convolutions of several dilations side by side (Chen et al., 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.data.preprocess.letterbox import Letterbox
from zorki.errors import RecipeError
from zorki.nn.backbones.dilated import dilate, dilated_backbone
from zorki.nn.backbones.mobilenet import MobileNetV3
from zorki.nn.backbones.named import IMAGENET
from zorki.nn.backbones.resnet import ResNet
from zorki.nn.heads.map_heads import ConvMapHead, conv_norm_relu
from zorki.nn.layers.initialize import initialize_he, initialize_output
from zorki.registry import Variant, model
from zorki.tasks.semantic_segmentation.networks.backbone_settings import settings_on
from zorki.tasks.semantic_segmentation.networks.dilated_segmenter import DilatedSegmenter
from zorki.tasks.semantic_segmentation.networks.torchvision_segmenter import torchvision_segmenter
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation


class AtrousPyramid(nn.Module):
    """Atrous spatial pyramid pooling (section 3.3): 1x1, 3x3 of each dilation, and the mean of the whole map.

    Each returns `channels` channels; a 1x1 convolution joins them.

    Args:
        channels_in: of the map.
        rates: dilations of the 3x3 convolutions. The paper has 6, 12 and 18 at an output stride of 16, and twice as
            much at 8; a dilation as large as the map leaves of a kernel its middle.
        channels: of each branch, and of the output.
        dropout: behind the last convolution.
    """

    def __init__(
        self, channels_in: int, rates: Sequence[int] = (12, 24, 36), channels: int = 256, *, dropout: float = 0.5
    ) -> None:
        super().__init__()
        if not all(isinstance(rate, int) and rate > 0 for rate in rates):
            raise RecipeError(f"rates of dilation are whole numbers of at least 1, such as 6,12,18; got {tuple(rates)}")
        self.convs = nn.ModuleList(
            [
                nn.Sequential(*conv_norm_relu(channels_in, channels)),
                *(nn.Sequential(*conv_norm_relu(channels_in, channels, 3, dilation=rate)) for rate in rates),
                nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_norm_relu(channels_in, channels, pooled=True)),
            ]
        )
        self.project = nn.Sequential(*conv_norm_relu(len(self.convs) * channels, channels), nn.Dropout(dropout))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        seen = [branch(x) for branch in self.convs]
        seen[-1] = functional.interpolate(seen[-1], x.shape[2:], mode="bilinear", align_corners=False)
        return self.project(torch.cat(seen, 1))


class AtrousHead(nn.Sequential):
    """The pyramid, a 3x3 convolution and a 1x1 convolution to classes, under torchvision's names."""

    def __init__(
        self,
        channels_in: int,
        num_classes: int,
        *,
        rates: Sequence[int] = (12, 24, 36),
        channels: int = 256,
        dropout: float = 0.5,
    ) -> None:
        output = nn.Conv2d(channels, num_classes, 1)
        pyramid = AtrousPyramid(channels_in, rates, channels, dropout=dropout)
        super().__init__(pyramid, *conv_norm_relu(channels, channels, 3), output)
        initialize_he(self)
        initialize_output(output)


@model(
    SemanticSegmentation,
    variants=[
        Variant(
            "deeplabv3_squeezenet",
            "DeepLabV3 (Chen et al., 2017) on a dilated SqueezeNet 1.0, for small images.",
            {"backbone": "squeezenet"},
        ),
    ],
    any_backbone="deeplabv3_{backbone}",
)
def deeplabv3(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 256,
    output_stride: int = 8,
    rates: tuple[int, ...] = (6, 12, 18),
    channels: int = 128,
    dropout: float = 0.5,
    auxiliary: float = 0.4,
) -> DilatedSegmenter:
    """DeepLabV3 (Chen et al., 2017) for small images: rates of half, and maps brought to where they are centered.

    Args:
        backbone: see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels.
        output_stride: of the last map, in pixels.
        rates: dilations of the pyramid's 3x3 convolutions, in places of the last map.
        channels: of the pyramid's branches.
        dropout: behind the pyramid.
        auxiliary: weight of the loss on the map before the last stage, which the paper has not; 0: no such head.
    """
    network = dilated_backbone(backbone, output_stride)
    settings = settings_on(backbone, network, Letterbox(image_size, stride=max(8, output_stride)))
    return DilatedSegmenter(
        network,
        AtrousHead(network.channels[-1], num_classes, rates=rates, channels=channels, dropout=dropout),
        ConvMapHead(network.channels[-2], num_classes) if auxiliary else None,
        num_classes=num_classes,
        settings={**settings, "auxiliary_weight": auxiliary},
    )


@model(
    SemanticSegmentation,
    variants=[
        Variant(
            f"deeplabv3_resnet{depth}",
            f"DeepLabV3 (Chen et al., 2017) on ResNet-{depth}, the twin of torchvision's.",
            {"depth": depth},
            weights={
                "coco": f"torchvision:DeepLabV3_ResNet{depth}_Weights.COCO_WITH_VOC_LABELS_V1",
                "imagenet": IMAGENET[f"resnet{depth}"],
            },
        )
        for depth in (50, 101)
    ],
)
def deeplabv3_resnet(
    num_classes: int, *, depth: Literal[50, 101], shorter: int = 520, longest: int = 1040
) -> DilatedSegmenter:
    """DeepLabV3 (Chen et al., 2017) on ResNet, the twin of torchvision's."""
    network = dilate(ResNet(depth), 8)
    head = AtrousHead(network.channels[-1], num_classes)
    return torchvision_segmenter(network, head, num_classes=num_classes, shorter=shorter, longest=longest)


@model(
    SemanticSegmentation,
    weights={
        "coco": "torchvision:DeepLabV3_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1",
        "imagenet": IMAGENET["mobilenet_v3_large"],
    },
)
def deeplabv3_mobilenet_v3_large(num_classes: int, *, shorter: int = 520, longest: int = 1040) -> DilatedSegmenter:
    """DeepLabV3 (Chen et al., 2017) on MobileNetV3 large at an output stride of 16, the twin of torchvision's."""
    network = dilate(MobileNetV3("large"), 16, early=True)
    tap = _tapped_where_the_stride_becomes_8(network)
    return torchvision_segmenter(
        network,
        AtrousHead(network.channels[-1], num_classes),
        num_classes=num_classes,
        shorter=shorter,
        longest=longest,
        auxiliary_tap=tap,
        published={"backbone.": "backbone.features."},
    )


def _tapped_where_the_stride_becomes_8(network: MobileNetV3) -> int:
    """The place of a new map: that of the first block of stride 8, which torchvision's auxiliary head reads."""
    place = network.strides.index(8)
    block = network.taps[place - 1] + 1
    network.taps = (*network.taps[:place], block, *network.taps[place:])
    channels = int(network.features[block].out_channels)
    network.channels = (*network.channels[:place], channels, *network.channels[place:])
    network.strides = (*network.strides[:place], 8, *network.strides[place:])
    return place
