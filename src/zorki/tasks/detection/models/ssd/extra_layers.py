"""What SSD adds to a backbone (Liu et al., 2016, sections 2.1 and 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.nn.backbones.backbone import Backbone, run_with_taps
from zorki.nn.backbones.vgg import Vgg
from zorki.nn.layers.initialize import initialize_he
from zorki.nn.layers.separable import depthwise
from zorki.nn.layers.strided import StridedConv2d


class MapScale(nn.Module):
    """Every place's features at length 1, times a learned scale a channel that starts at 20 (ParseNet; section 3.1).

    Early maps have other magnitudes than late ones, and heads on all of them shall learn alike.
    """

    def __init__(self, channels: int, start: float = 20.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), start))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return self.weight[:, None, None] * functional.normalize(x)


@dataclass(frozen=True)
class ExtraMap:
    """One more map: a 1x1 convolution to `hidden` channels, then `kernel` x `kernel` to `channels`."""

    hidden: int
    channels: int
    kernel: int = 3
    stride: int = 2
    padding: int = 1


class ExtraMaps(nn.Module):
    """Maps of falling resolution behind a backbone's last, each made from the one before.

    Args:
        channels: of the backbone's last map.
        maps: one entry for each new map.
        norm: a group norm behind each convolution; the paper has none.
        separable: 3x3 depthwise and 1x1 in the place of 3x3, as in SSDLite (Sandler et al., 2018, section 6.2).
    """

    def __init__(self, channels: int, maps: Sequence[ExtraMap], *, norm: bool, separable: bool = False) -> None:
        super().__init__()
        self.maps = nn.ModuleList()
        for entry in maps:
            layers: list[nn.Module] = []
            for convolution in _convolutions(channels, entry, norm, separable):
                layers.append(convolution)
                if norm:
                    layers.append(nn.GroupNorm(16, convolution.out_channels))
                layers.append(nn.ReLU(inplace=True))
            self.maps.append(nn.Sequential(*layers))
            channels = entry.channels
        self.channels = tuple(entry.channels for entry in maps)
        initialize_he(self)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        found = []
        for layers in self.maps:
            x = layers(x)
            found.append(x)
        return found


def _convolutions(channels: int, entry: ExtraMap, norm: bool, separable: bool) -> list[nn.Conv2d]:
    narrow = nn.Conv2d(channels, entry.hidden, 1, bias=not norm)
    if separable:
        mix = nn.Conv2d(entry.hidden, entry.channels, 1, bias=not norm)
        return [narrow, depthwise(entry.hidden, entry.stride), mix]
    return [
        narrow,
        StridedConv2d(entry.hidden, entry.channels, entry.kernel, entry.stride, entry.padding, bias=not norm),
    ]


def extra_maps(channels: int, count: int, *, separable: bool = False) -> ExtraMaps:
    """`count` maps, each half the size of the one before, for any backbone.

    Group norms, because the last maps have too few places, and detectors' batches too few images, for batch norms.
    """
    return ExtraMaps(channels, [ExtraMap(128, 256) for _ in range(count)], norm=True, separable=separable)


class SsdVgg(Backbone):
    """VGG-16 as SSD has it (section 3): conv4_3 and, behind a pool that keeps the size, fc6 and fc7 as convolutions.

    fc6 is 3x3, six apart, of 1024 channels; the third pool rounds up, so that 300 pixels give 38 cells.
    """

    channels = (512, 1024)
    strides = (8, 16)
    min_size = 16

    def __init__(self) -> None:
        super().__init__()
        features = Vgg("D").features
        features[16] = nn.MaxPool2d(2, 2, ceil_mode=True)
        features[30] = nn.MaxPool2d(3, 1, padding=1)
        self.features = features
        self.fc6 = nn.Conv2d(512, 1024, 3, padding=6, dilation=6)
        self.fc7 = nn.Conv2d(1024, 1024, 1)
        for layer in (self.fc6, self.fc7):
            initialize_he(layer)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        conv4_3, pool5 = run_with_taps(self.features, (22, 30), x)
        return [conv4_3, functional.relu(self.fc7(functional.relu(self.fc6(pool5))))]

    def stages(self) -> list[nn.Module]:
        return [
            self.features[:9],
            self.features[9:16],
            self.features[16:23],
            self.features[23:],
            nn.ModuleList([self.fc6, self.fc7]),
        ]
