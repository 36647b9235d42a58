"""The heads of YOLO v1: fully connected layers as in the paper, or convolutions (Redmon et al., 2016)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone, last_maps
from zorki.nn.backbones.darknet import SLOPE, convolve
from zorki.nn.layers.initialize import initialize_he
from zorki.nn.necks.yolo_neck import fill_cells


class CellHead(nn.Module):
    """Two 3x3 convolutions and a 1x1, on the backbone's map of `stride`, or on its last, averaged to `grid` squared.

    In place of the paper's fully connected layers: any size of input goes, and the places share what they learn.
    """

    def __init__(self, backbone: Backbone, values: int, *, stride: int, grid: int | None, width: int = 256) -> None:
        super().__init__()
        taps = last_maps(backbone)
        if stride not in taps and grid is None:
            raise RecipeError(f"the backbone has maps of strides {backbone.strides}, but none of {stride}; choose one")
        self.tap = len(backbone.strides) - 1 if grid is not None else taps[stride]
        self.stride, self.grid = stride, grid
        channels = backbone.channels[self.tap]
        self.convolutions = nn.Sequential(convolve(channels, width, 3), convolve(width, width, 3))
        self.output = nn.Conv2d(width, values, 1)
        initialize_he(self.convolutions)
        nn.init.normal_(self.output.weight, std=0.01)

    def forward(self, maps: Sequence[Tensor], height: int, width: int) -> Float[Tensor, "B D _ _"]:
        x = maps[self.tap]
        if self.grid is not None:
            x = functional.adaptive_avg_pool2d(x, self.grid)
        else:
            x = fill_cells(x, math.ceil(height / self.stride), math.ceil(width / self.stride))
        return self.output(self.convolutions(x))


class ConnectedHead(nn.Module):
    """The paper's two fully connected layers (section 2.1), with dropout of 0.5 behind the first (section 2.2)."""

    def __init__(self, channels: int, values: int, *, grid: int, hidden: int = 4096) -> None:
        super().__init__()
        self.grid = grid
        self.first = nn.Linear(channels * grid * grid, hidden)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(hidden, values * grid * grid)
        initialize_he(self.first)
        nn.init.normal_(self.output.weight, std=0.01)

    def forward(self, maps: Sequence[Tensor], height: int, width: int) -> Float[Tensor, "B D _ _"]:
        if maps[-1].shape[-2:] != (self.grid, self.grid):
            raise RecipeError(
                f"fully connected layers built for squares of {self.grid * 64} pixels were given {height}x{width}; "
                "set size when the network is built, not later"
            )
        x = self.dropout(functional.leaky_relu(self.first(maps[-1].flatten(1)), SLOPE))
        return self.output(x).view(len(x), -1, self.grid, self.grid)
