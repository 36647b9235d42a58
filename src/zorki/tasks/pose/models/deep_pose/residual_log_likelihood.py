"""Residual log-likelihood estimation of joints (Li et al., 2021).

The network gives each coordinate a mean and a deviation; how errors are really distributed is learned along with it by
a small normalizing flow, which has no part in inference.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

COUPLINGS = 6  # the paper's three pairs
HIDDEN = 64


class RealNvp(nn.Module):
    """A density of points in the plane, made of a standard normal by invertible layers (Dinh et al., 2017).

    Each coupling scales and moves one coordinate by functions of the other. The paper's flow has fully connected
    networks of 64 units.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_small_network(bounded=True) for _ in range(COUPLINGS))
        self.shifts = nn.ModuleList(_small_network(bounded=False) for _ in range(COUPLINGS))

    def log_density(self, points: Float[Tensor, "N 2"]) -> Float[Tensor, " N"]:
        """The logarithm of the density at each point."""
        log_volume = points.new_zeros(len(points))
        for number, (scale, shift) in enumerate(zip(reversed(self.scales), reversed(self.shifts), strict=True)):
            kept = points.new_tensor([0.0, 1.0] if number % 2 == 0 else [1.0, 0.0])
            held = points * kept
            log_scale, moved = scale(held) * (1 - kept), shift(held) * (1 - kept)
            points = held + (1 - kept) * (points - moved) * torch.exp(-log_scale)
            log_volume = log_volume - log_scale.sum(1)
        return log_volume - 0.5 * points.square().sum(1) - math.log(2 * math.pi)


def _small_network(*, bounded: bool) -> nn.Sequential:
    layers = [nn.Linear(2, HIDDEN), nn.LeakyReLU(), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(), nn.Linear(HIDDEN, 2)]
    network = nn.Sequential(*layers, *([nn.Tanh()] if bounded else []))
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight, gain=0.01)  # the authors': the flow begins as the identity
            nn.init.zeros_(layer.bias)
    return network


class ResidualLogLikelihood(nn.Module):
    """The negative log-likelihood of the joints (equation 11), a mean over coordinates of labeled ones.

    Density of an error = Laplace times what the flow adds to it, as in the authors' code; the residual alone has to be
    learned, so that means and deviations learn from the first step on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flow = RealNvp()

    def forward(
        self, center: Float[Tensor, "R P 2"], deviation: Float[Tensor, "R P 2"], target: Float[Tensor, "R P 2"],
        labeled: Float[Tensor, "R P"],
    ) -> Tensor:  # fmt: skip
        """A scalar; 0 where nothing is labeled.

        Args:
            labeled: 1 where a joint is labeled, else 0.
        """
        # The flow is float32 under autocast, too: logarithms of densities have no room in 8 bits.
        error = ((center - target) / deviation).float() * labeled[..., None]
        log_phi = self.flow.log_density(error.reshape(-1, 2)).reshape(*labeled.shape, 1)
        laplace = torch.log(2 * deviation) + error.abs()
        losses = torch.log(deviation) - log_phi + laplace
        return (losses * labeled[..., None]).sum() / (2 * labeled.sum()).clamp_min(1)
