"""Pooling of a feature map to one vector."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class GeneralizedMean(nn.Module):
    """(mean of x^p)^(1/p) over each map, p learned (Radenovic et al., 2018, eq. 3).

    1 is the average and infinity the maximum. Values below `minimum` count as that.
    """

    def __init__(self, power: float = 3.0, minimum: float = 1e-6) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor([power]))
        self.minimum = minimum

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C 1 1"]:
        """Float32: powers of half-precision numbers overflow."""
        return x.float().clamp_min(self.minimum).pow(self.power).mean((2, 3), keepdim=True).pow(1 / self.power)
