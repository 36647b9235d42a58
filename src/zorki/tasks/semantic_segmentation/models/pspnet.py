"""PSPNet: what is around, pooled over ever smaller parts of the image (Zhao et al., 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.data.preprocess.letterbox import Letterbox
from zorki.errors import RecipeError, did_you_mean
from zorki.nn.backbones.dilated import dilated_backbone
from zorki.nn.heads.map_heads import ConvMapHead, conv_norm_relu
from zorki.nn.layers.initialize import initialize_he, initialize_output
from zorki.registry import Variant, model
from zorki.tasks.semantic_segmentation.networks.backbone_settings import settings_on
from zorki.tasks.semantic_segmentation.networks.dilated_segmenter import DilatedSegmenter
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation

POOLING = {"average": nn.AdaptiveAvgPool2d, "max": nn.AdaptiveMaxPool2d}


class PyramidPooling(nn.Module):
    """The map, and beside it the map pooled to a few bins each way and enlarged again (section 3.2, figure 3).

    Args:
        channels_in: of the map.
        bins: each way, for every level; empty: the map alone.
        pooling: "average" or "max".
        reduce: a 1x1 convolution behind each pool, so that all levels together have as many channels as the map.

    Raises:
        RecipeError: no such pooling, or bins that are no positive whole numbers.
    """

    def __init__(
        self,
        channels_in: int,
        bins: Sequence[int] = (1, 2, 3, 6),
        *,
        pooling: str = "average",
        reduce: bool = True,
    ) -> None:
        super().__init__()
        if pooling not in POOLING:
            near = did_you_mean(pooling, POOLING)
            raise RecipeError(f"the pyramid cannot pool by {pooling!r}.{near} There are: {', '.join(POOLING)}")
        if not all(isinstance(count, int) and count > 0 for count in bins):
            raise RecipeError(f"bins of the pyramid are whole numbers of at least 1 (1,2,3,6); got {tuple(bins)}")
        inner = channels_in // len(bins) if reduce and bins else channels_in
        self.levels = nn.ModuleList(
            nn.Sequential(POOLING[pooling](count), *(conv_norm_relu(channels_in, inner, pooled=True) if reduce else ()))
            for count in bins
        )
        self.channels = channels_in + inner * len(bins)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        size = x.shape[2:]
        levels = [functional.interpolate(level(x), size, mode="bilinear", align_corners=False) for level in self.levels]
        return torch.cat([x, *levels], 1) if levels else x


class PyramidHead(nn.Sequential):
    """The pyramid, a 3x3 convolution to a quarter of the map's channels, dropout, and a 1x1 convolution to classes."""

    def __init__(
        self,
        channels_in: int,
        num_classes: int,
        *,
        bins: Sequence[int] = (1, 2, 3, 6),
        pooling: str = "average",
        reduce: bool = True,
        dropout: float = 0.1,
    ) -> None:
        pyramid = PyramidPooling(channels_in, bins, pooling=pooling, reduce=reduce)
        inner = channels_in // 4
        output = nn.Conv2d(inner, num_classes, 1)
        super().__init__(pyramid, *conv_norm_relu(pyramid.channels, inner, 3), nn.Dropout(dropout), output)
        initialize_he(self)
        initialize_output(output)


@model(
    SemanticSegmentation,
    variants=[
        Variant(
            "pspnet_squeezenet", "PSPNet (Zhao et al., 2017) on a dilated SqueezeNet 1.0.", {"backbone": "squeezenet"}
        ),
        Variant("pspnet_resnet18", "PSPNet (Zhao et al., 2017) on a dilated ResNet-18.", {"backbone": "resnet18"}),
        Variant(
            "pspnet_resnet50",
            "PSPNet-50 (Zhao et al., 2017): on a dilated ResNet-50.",
            {"backbone": "resnet50"},
            {"image_size": 480},
        ),
        Variant(
            "pspnet_resnet101",
            "PSPNet-101 (Zhao et al., 2017): on a dilated ResNet-101.",
            {"backbone": "resnet101"},
            {"image_size": 480},
        ),
    ],
    any_backbone="pspnet_{backbone}",
)
def pspnet(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 256,
    bins: tuple[int, ...] = (1, 2, 3, 6),
    pooling: str = "average",
    reduce: bool = True,
    output_stride: int = 8,
    dropout: float = 0.1,
    auxiliary: float = 0.4,
) -> DilatedSegmenter:
    """PSPNet (Zhao et al., 2017): a dilated backbone, a pyramid of pools, an auxiliary loss.

    The authors' ResNets begin with three 3x3 convolutions, ours with the usual 7x7, whose weights are published. Maps
    are brought to the image by where they are centered, which their inputs of 8k + 1 pixels and corners that are
    aligned do, too.

    Args:
        backbone: see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels.
        bins: each way, for every level of the pyramid; `()` is the same network without it, the paper's baseline.
        pooling: "average" or "max" (table 1).
        reduce: 1x1 convolutions behind the pools (table 1's DR).
        output_stride: of the last map, in pixels.
        dropout: before the scores.
        auxiliary: weight of the loss on the map before the last stage (section 3.3); 0: no such head.
    """
    network = dilated_backbone(backbone, output_stride)
    # A multiple of 8 is one of every stride that a dilated network has, and leaves little canvas.
    settings = settings_on(backbone, network, Letterbox(image_size, stride=max(8, output_stride)))
    return DilatedSegmenter(
        network,
        PyramidHead(network.channels[-1], num_classes, bins=bins, pooling=pooling, reduce=reduce, dropout=dropout),
        ConvMapHead(network.channels[-2], num_classes, dropout=dropout) if auxiliary else None,
        num_classes=num_classes,
        settings={**settings, "auxiliary_weight": auxiliary},
    )
