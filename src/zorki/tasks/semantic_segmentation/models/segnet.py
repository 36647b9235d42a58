"""SegNet (Badrinarayanan, Kendall and Cipolla, 2017: A Deep Convolutional Encoder-Decoder Architecture)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zorki.data.preprocess.letterbox import Letterbox
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import IMAGENET
from zorki.nn.backbones.vgg import Vgg
from zorki.nn.layers.initialize import initialize_he, initialize_output
from zorki.nn.layers.upsample import pool_with_indices, upsample
from zorki.registry import model
from zorki.tasks.semantic_segmentation.networks.segmenter import Segmenter
from zorki.tasks.semantic_segmentation.task import SemanticSegmentation

Group = Sequence[tuple[int, int]]  # the convolutions between two pools: channels in and out


class SegNet(Segmenter):
    """Convolutions and pools down; on the way up values go back to where the pools found their maxima.

    No maps are joined: of the way down only the places of the maxima are kept (section 3).

    Args:
        backbone: `Vgg`, or a network whose layers stand in `features` in the same way, a max pool last.
        groups: convolutions of the way up, from the coarsest; each takes what the way down had there.
        output: from the last group's channels to classes.
        kernel: of the convolutions.
        relu: behind their batch norms.
        upsampling: "unpool" is the paper's; see `zorki.nn.layers.upsample` for others.
        size: of the longer side of the images.
    """

    def __init__(
        self,
        backbone: Backbone,
        groups: Sequence[Group],
        output: nn.Conv2d,
        *,
        kernel: int,
        relu: bool,
        upsampling: str,
        size: int,
    ) -> None:
        super().__init__(num_classes=output.out_channels, preprocess=Letterbox(size, stride=backbone.strides[-1]))
        self.backbone = backbone
        self.upsamples = nn.ModuleList(upsample(upsampling, group[0][0], group[0][0]) for group in groups)
        self.groups = nn.ModuleList(
            nn.Sequential(*(layer for pair in group for layer in _convolution(*pair, kernel, relu))) for group in groups
        )
        self.output = output
        initialize_he(self.groups)
        initialize_output(self.output)

    def maps(self, pixels: Float[Tensor, "B C H W"]) -> tuple[Tensor, list[Tensor]]:
        x = pixels
        sizes: list[torch.Size] = []
        places: list[Tensor | None] = []
        for layer in self.backbone.features:  # type: ignore[union-attr]
            if not isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
                x = layer(x)
                continue
            sizes.append(x.shape[2:])
            places.append(None)
            if getattr(self.upsamples[0], "needs_indices", False):
                x, places[-1] = pool_with_indices(x)
            else:
                x = layer(x)
        for larger, group, size, indices in zip(
            self.upsamples, self.groups, reversed(sizes), reversed(places), strict=True
        ):
            x = group(larger(x, size, indices))
        return self.output(x), []

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()


class BasicEncoder(Backbone):
    """Four times a 7x7 convolution without a bias, batch norm, ReLU, and a pool (section 3.3)."""

    strides = (2, 4, 8, 16)
    min_size = 16

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.channels = (width,) * 4
        layers: list[nn.Module] = []
        for before in (3, width, width, width):
            layers += [*_convolution(before, width, 7, True), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        initialize_he(self.features)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        maps = []
        for stage in self.stages():
            x = stage(x)
            maps.append(x)
        return maps

    def stages(self) -> list[nn.Module]:
        return [self.features[start : start + 4] for start in range(0, 16, 4)]


def _convolution(before: int, after: int, kernel: int, relu: bool) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False)]
    layers.append(nn.BatchNorm2d(after))
    return [*layers, nn.ReLU(inplace=True)] if relu else layers


# The mirror image of VGG-16's thirteen convolutions; that of the first is the output.
_VGG16_UP: tuple[Group, ...] = (
    ((512, 512), (512, 512), (512, 512)),
    ((512, 512), (512, 512), (512, 256)),
    ((256, 256), (256, 256), (256, 128)),
    ((128, 128), (128, 64)),
    ((64, 64),),
)


@model(SemanticSegmentation, weights={"imagenet": IMAGENET["vgg16_bn"]})
def segnet_vgg16(num_classes: int, *, image_size: int = 256, upsampling: str = "unpool") -> SegNet:
    """SegNet (Badrinarayanan et al., 2017) on the convolutions of VGG-16.

    Convolutions in front of batch norms have no bias on the way up: the norm would take it away.

    Args:
        image_size: of the longer side of the images, in pixels.
        upsampling: unpool (the paper's), bilinear, nearest, transposed, transposed_bilinear or pixel_shuffle.
    """
    output = nn.Conv2d(64, num_classes, 3, padding=1)
    backbone = Vgg("D", batch_norm=True)
    return SegNet(backbone, _VGG16_UP, output, kernel=3, relu=True, upsampling=upsampling, size=image_size)


@model(SemanticSegmentation)
def segnet_basic(num_classes: int, *, image_size: int = 256, width: int = 64, upsampling: str = "unpool") -> SegNet:
    """SegNet-Basic (Badrinarayanan et al., 2017, section 3.3): four 7x7 convolutions down and four up.

    Args:
        image_size: of the longer side of the images, in pixels.
        width: channels of every convolution.
        upsampling: unpool (the paper's), bilinear, nearest, transposed, transposed_bilinear or pixel_shuffle.
    """
    output = nn.Conv2d(width, num_classes, 1)
    groups = (((width, width),),) * 4
    return SegNet(BasicEncoder(width), groups, output, kernel=7, relu=False, upsampling=upsampling, size=image_size)
