"""The expanding path of a U-Net over the maps of any backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone, last_maps
from zorki.nn.layers.initialize import initialize_he
from zorki.nn.layers.upsample import UPSAMPLING, upsample
from zorki.nn.necks.upsampled_convolution import UpsampledConv2d

WIDTHS = (256, 128, 64, 32, 16)
"""Channels at the strides 16, 8, 4, 2 and 1."""


class UNetDecoder(nn.Module):
    """From the deepest map upwards: twice as large, joined with the backbone's map of that stride, two convolutions.

    The idea of Ronneberger et al. (2015), with same padding, batch norms, and a backbone in the place of the
    contracting path. Where the backbone has no map of a stride, nothing is joined there. The last map of each stride
    is read.

    `channels` and `stride` are those of the output.

    Args:
        backbone: whose maps come in.
        widths: channels of the steps, those of the last steps last: a backbone whose deepest map has stride 16 takes
            one step less, and leaves the first width out. Missing first widths are as the first.
        upsampling: see `zorki.nn.layers.upsample`. "nearest" is never written out, see `UpsampledConv2d`. "unpool"
            puts values where the joined map has its maxima, and is "nearest" where there is none.
        finest: the stride to stop at.

    Raises:
        RecipeError: no such upsampling, or no step is left to take.
    """

    def __init__(
        self, backbone: Backbone, widths: Sequence[int] = WIDTHS, *, upsampling: str = "nearest", finest: int = 1
    ) -> None:
        super().__init__()
        last = last_maps(backbone)
        deepest = backbone.strides[-1]
        strides = []
        stride = deepest
        while stride > finest and stride % 2 == 0:
            stride //= 2
            strides.append(stride)
        if not strides:
            raise RecipeError(f"finest is {finest}; expected less than {deepest}, the stride of the deepest map")
        if not widths or min(widths) < 1:
            raise RecipeError(f"widths are {tuple(widths)}; expected channels of each step, such as {WIDTHS}")
        widths = ([widths[0]] * len(strides) + list(widths))[-len(strides) :]
        self.deepest = last[deepest]
        self.taps = [last.get(stride) for stride in strides]
        channels = backbone.channels[self.deepest]
        self.blocks = nn.ModuleList()
        for tap, width in zip(self.taps, widths, strict=True):
            skip = 0 if tap is None else backbone.channels[tap]
            self.blocks.append(UNetBlock(channels, skip, width, upsampling=upsampling))
            channels = width
        self.channels, self.stride = channels, strides[-1]

    def forward(self, maps: Sequence[Tensor]) -> Float[Tensor, "B C H W"]:
        """The map of `stride` from all maps of the backbone."""
        x = maps[self.deepest]
        for block, tap in zip(self.blocks, self.taps, strict=True):
            x = block(x, None if tap is None else maps[tap])
        return x


class UNetBlock(nn.Module):
    """One step up: twice as large, joined with `skip`, and two 3x3 convolutions with batch norm and ReLU.

    Args:
        in_channels, skip_channels, out_channels: of the map, the skip (0: there is none) and the output.
        upsampling: see `UNetDecoder`.

    Raises:
        RecipeError: no such upsampling.
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int, *, upsampling: str = "nearest") -> None:
        super().__init__()
        self.up: nn.Module | None = None
        if upsampling == "nearest" or (upsampling == "unpool" and not skip_channels):
            self.conv1: nn.Conv2d = UpsampledConv2d(in_channels, skip_channels, out_channels)
        else:
            # What interpolates keeps the channels; what learns halves them, as the paper's up-convolution does.
            learns = upsampling in UPSAMPLING and upsampling not in ("bilinear", "unpool")
            large = max(in_channels // 2, 1) if learns else in_channels
            large = skip_channels if upsampling == "unpool" else large
            self.up = upsample(upsampling, in_channels, large)
            self.conv1 = nn.Conv2d(large + skip_channels, out_channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.relu2 = nn.ReLU(inplace=True)
        for layer in (self.conv1, self.norm1, self.conv2, self.norm2):  # `up` starts as it says itself
            initialize_he(layer)

    def forward(
        self, x: Float[Tensor, "B C h w"], skip: Float[Tensor, "B S H W"] | None = None
    ) -> Float[Tensor, "B D _ _"]:
        """At the skip's size, or at twice the map's."""
        if self.up is None:
            x = self.conv1(x, skip)
        elif skip is None:
            x = self.conv1(self.up(x))
        else:
            indices = None
            if getattr(self.up, "needs_indices", False):
                pooled, indices = functional.max_pool2d(skip, 2, ceil_mode=True, return_indices=True)
                if x.shape[2:] != pooled.shape[2:]:  # the backbone did not halve exactly
                    x = functional.interpolate(x, pooled.shape[2:], mode="nearest")
            x = self.conv1(torch.cat([self.up(x, skip.shape[2:], indices), skip], 1))
        x = self.relu1(self.norm1(x))
        return self.relu2(self.norm2(self.conv2(x)))
