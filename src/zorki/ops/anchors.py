"""Anchors (priors, default boxes) and points: where on the network's input each cell of a feature map looks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def anchor_shapes(sizes: Sequence[float], aspects: Sequence[float]) -> Float[Tensor, "A 2"]:
    """Width and height in pixels of every size with every aspect (height / width); area size ** 2, aspects outermost.

    As Ren et al. (2015), section 3.1.1. The order is torchvision's: for each aspect, every size.
    """
    aspect = torch.tensor(aspects, dtype=torch.float32)[:, None]
    size = torch.tensor(sizes, dtype=torch.float32)[None]
    return torch.stack([(size / aspect.sqrt()).flatten(), (size * aspect.sqrt()).flatten()], 1)


def grid_points(
    height: int,
    width: int,
    stride_y: float,
    stride_x: float,
    *,
    offset: float = 0.5,
    device: torch.device | None = None,
) -> Float[Tensor, "P 2"]:
    """(x, y) of each cell of a map in network pixels, row by row; `offset` 0.5 is the middle of the cell."""
    y = (torch.arange(height, device=device, dtype=torch.float32) + offset) * stride_y
    x = (torch.arange(width, device=device, dtype=torch.float32) + offset) * stride_x
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], -1).reshape(-1, 2)


def place_anchors(points: Float[Tensor, "P 2"], shapes: Float[Tensor, "A 2"]) -> Float[Tensor, "PA 4"]:
    """Boxes (xyxy) of every shape about every point: all shapes of the first point first."""
    half = torch.cat([-shapes, shapes], 1) / 2
    return (points.repeat(1, 2)[:, None] + half[None]).reshape(-1, 4)
