"""The neck of YOLO v3 (Redmon and Farhadi, 2018, section 2.3): coarse maps are enlarged and laid beside finer ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone, last_maps
from zorki.nn.backbones.darknet import SLOPE, convolve
from zorki.nn.layers.initialize import initialize_he
from zorki.nn.layers.separable import separable_convolution


class YoloNeck(nn.Module):
    """Maps of the wanted strides with the meaning of the coarsest, each exactly input / stride cells.

    Each scale is a column of 1x1 and 3x3 convolutions in turn; what comes out before its last 3x3 is narrowed,
    enlarged twice and laid beside the next finer map. Maps of backbones without padding (SqueezeNet) lack a cell or
    two: they are filled up with zeros, so that a cell is a stride wide everywhere. A stride coarser than the backbone's
    is made by a strided 3x3 convolution.

    Args:
        backbone: whose maps come in.
        strides: wanted, finest first, each twice the one before.
        widths: channels of the 1x1 convolutions of each scale; the 3x3 and the output maps have twice as many.
        depth: convolutions of a column before its last: an odd number, 5 in the paper.
        separable: the 3x3 convolutions are depthwise-separable.

    Raises:
        RecipeError: the backbone has no map of the first stride.
    """

    def __init__(
        self,
        backbone: Backbone,
        strides: Sequence[int],
        widths: Sequence[int],
        *,
        depth: int = 5,
        separable: bool = False,
    ) -> None:
        super().__init__()
        wide = _separable if separable else _convolve
        last = last_maps(backbone)
        if strides[0] not in last:
            raise RecipeError(f"the neck needs a map of stride {strides[0]}, but the backbone has {backbone.strides}")
        self.strides = tuple(strides)
        self.taps = [last[stride] for stride in strides if stride in last]
        channels = [backbone.channels[tap] for tap in self.taps]
        self.coarser = nn.ModuleList()
        while len(channels) < len(strides):
            self.coarser.append(wide(channels[-1], min(512, channels[-1]), 2))
            channels.append(min(512, channels[-1]))
        self.columns, self.tops, self.bridges = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, (incoming, width) in enumerate(zip(channels, widths, strict=True)):
            coarser = width if level + 1 < len(widths) else 0
            self.columns.append(_column(incoming + coarser, width, depth, wide))
            self.tops.append(wide(width, 2 * width))
            if level:
                self.bridges.append(convolve(width, widths[level - 1], 1))
        self.channels = tuple(2 * width for width in widths)
        initialize_he(self)

    def forward(self, maps: Sequence[Tensor], height: int, width: int) -> list[Tensor]:
        """Maps of `strides`, finest first, from all maps of the backbone for an input of `height` x `width`."""
        sizes = [(math.ceil(height / stride), math.ceil(width / stride)) for stride in self.strides]
        found = [fill_cells(maps[tap], *size) for tap, size in zip(self.taps, sizes)]  # coarser ones follow
        for layer in self.coarser:
            found.append(layer(found[-1]))
        outputs: list[Tensor] = []
        from_coarser: list[Tensor] = []
        for level in range(len(found) - 1, -1, -1):
            x = self.columns[level](torch.cat([*from_coarser, found[level]], 1))
            outputs.insert(0, self.tops[level](x))
            if level:
                bridge = self.bridges[level - 1](x)
                from_coarser = [functional.interpolate(bridge, size=found[level - 1].shape[-2:], mode="nearest")]
        return outputs


def _convolve(channels: int, width: int, stride: int = 1) -> nn.Sequential:
    return convolve(channels, width, 3, stride)


def _separable(channels: int, width: int, stride: int = 1) -> nn.Sequential:
    return separable_convolution(channels, width, stride, activation=nn.LeakyReLU(SLOPE, inplace=True))


def _column(channels: int, width: int, depth: int, wide: Callable[[int, int], nn.Module]) -> nn.Sequential:
    if depth % 2 == 0:
        raise ValueError(f"depth must be odd, not {depth}: a column begins and ends with a 1x1 convolution")
    layers: list[nn.Module] = [convolve(channels, width, 1)]
    for _ in range(depth // 2):
        layers += [wide(width, 2 * width), convolve(2 * width, width, 1)]
    return nn.Sequential(*layers)


def fill_cells(x: Float[Tensor, "B C _ _"], rows: int, columns: int) -> Float[Tensor, "B C rows columns"]:
    """The map with so many cells: zeros on both sides where it lacks some, the larger half in front; else cut off."""
    down, right = rows - x.shape[-2], columns - x.shape[-1]
    if down > 0 or right > 0:
        down, right = max(0, down), max(0, right)
        x = functional.pad(x, (right - right // 2, right // 2, down - down // 2, down // 2))
    return x[..., :rows, :columns]
