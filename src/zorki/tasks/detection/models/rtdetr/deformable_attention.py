"""Multi-scale deformable attention (Zhu et al., 2021, section 4.1), in plain tensor operations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

MapSizes = tuple[tuple[int, int], ...]
"""(height, width) of each map, finest first."""


class DeformableAttention(nn.Module):
    """Every query looks at a few points around its box in each map, and mixes what is there.

    Points are the box's middle plus offsets in shares of its half size; n points of a level lie n times nearer
    (equation 2 with the boxes of appendix A.4). Between cells the maps are interpolated; outside they are 0.

    Args:
        width: D, of a token; a multiple of `heads`.
        heads: that look side by side.
        points: of each head in each map.
        project: values and the mixture go through a linear layer each. D-FINE does without.
    """

    scales: Tensor

    def __init__(self, width: int, heads: int, points: Sequence[int], *, project: bool = True) -> None:
        super().__init__()
        self.heads, self.points = heads, tuple(points)
        count = sum(points)
        self.sampling_offsets = nn.Linear(width, heads * count * 2)
        self.attention_weights = nn.Linear(width, heads * count)
        self.value_proj = nn.Linear(width, width) if project else nn.Identity()
        self.output_proj = nn.Linear(width, width) if project else nn.Identity()
        scales = torch.tensor([1 / number for number in self.points for _ in range(number)])
        self.register_buffer("scales", scales[:, None], persistent=False)
        self._initialize()

    def forward(
        self,
        queries: Float[Tensor, "B Q D"],
        boxes: Float[Tensor, "B Q 4"],
        memory: Float[Tensor, "B N D"],
        sizes: MapSizes,
    ) -> Float[Tensor, "B Q D"]:
        """The mixture of each query.

        Args:
            boxes: cxcywh in shares of the canvas.
            memory: the cells of all maps, one map behind the other, row by row.
            sizes: of the maps; N cells in all.
        """
        offsets = self.sampling_offsets(queries).unflatten(2, (self.heads, -1, 2))
        weights = self.attention_weights(queries).unflatten(2, (self.heads, -1)).softmax(-1)
        center, size = boxes[:, :, None, None, :2], boxes[:, :, None, None, 2:]
        places = center + offsets * self.scales * size * 0.5
        return self.output_proj(sampled_mixture(self.value_proj(memory), sizes, places, weights, self.points))

    def _initialize(self) -> None:
        """Heads look in directions of a compass, their points one after the other farther off, all alike."""
        for linear in (self.sampling_offsets, self.attention_weights):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        angles = torch.arange(self.heads) * (2 * math.pi / self.heads)
        compass = torch.stack([angles.cos(), angles.sin()], -1)
        compass = compass / compass.abs().amax(-1, keepdim=True)
        steps = torch.cat([torch.arange(1.0, number + 1) for number in self.points])
        with torch.no_grad():
            self.sampling_offsets.bias.copy_((compass[:, None] * steps[:, None]).flatten())
        for layer in (self.value_proj, self.output_proj):
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)


def sampled_mixture(
    values: Float[Tensor, "B N D"],
    sizes: MapSizes,
    places: Float[Tensor, "B Q heads P 2"],
    weights: Float[Tensor, "B Q heads P"],
    points: Sequence[int],
) -> Float[Tensor, "B Q D"]:
    """The weighted sum of what lies at P places in the maps.

    Args:
        values: of the cells of all maps; each head has its share of the D channels.
        sizes: of the maps.
        places: (x, y) in shares of the map; those of one map stand beside each other.
        weights: of the places.
        points: how many of the P places are in each map.
    """
    batch, queries, heads = weights.shape[:3]
    grids = (2 * places - 1).permute(0, 2, 1, 3, 4).flatten(0, 1).split(list(points), 2)
    maps = values.unflatten(2, (heads, -1)).permute(0, 2, 3, 1).flatten(0, 1)
    parts = maps.split([height * width for height, width in sizes], 2)
    seen = [
        functional.grid_sample(part.unflatten(2, size), grid.to(part.dtype), align_corners=False)
        for part, size, grid in zip(parts, sizes, grids, strict=True)
    ]
    mixed = (torch.cat(seen, 3) * weights.transpose(1, 2).flatten(0, 1)[:, None]).sum(3)
    return mixed.view(batch, -1, queries).transpose(1, 2)
