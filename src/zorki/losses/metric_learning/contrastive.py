"""The loss of Siamese networks: pairs of one class are pulled together, others pushed apart up to a margin."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float, Int64
from torch import Tensor, nn

from zorki.losses.metric_learning.distances import distances, pair_masks, squared_distances

Hinge = Literal["squared_distance", "distance"]


class ContrastiveLoss(nn.Module):
    """y d^2 + (1 - y) max(0, m - d^2), or the original's y d^2 + (1 - y) max(0, m - d)^2, over all pairs of a batch.

    The original (Hadsell, Chopra, LeCun, 2006, eq. 4) halves both terms, which only scales the learning rate. Pairs of
    one class and pairs of different ones count half each, whatever their numbers, as where a Siamese network is shown
    as many of one as of the other.

    Args:
        margin: m, in squared distance or in distance as the hinge is. Embeddings on the unit sphere are at most 2
            apart.
        hinge: what the margin is compared with: "squared_distance" or "distance" (the original).
    """

    def __init__(self, margin: float = 1.0, hinge: Hinge = "squared_distance") -> None:
        super().__init__()
        if margin <= 0:
            raise ValueError(f"the margin is a distance above 0; got {margin}")
        self.margin = margin
        self.hinge = hinge

    def forward(self, embeddings: Float[Tensor, "B D"], labels: Int64[Tensor, " B"]) -> Float[Tensor, ""]:
        """One number; 0 with no slope where the batch has no pair."""
        positive, negative = pair_masks(labels)
        if self.hinge == "squared_distance":
            pushed = (self.margin - squared_distances(embeddings)).clamp_min(0)
        else:
            pushed = (self.margin - distances(embeddings)).clamp_min(0).square()
        return (masked_mean(squared_distances(embeddings), positive) + masked_mean(pushed, negative)) / 2


def masked_mean(values: Float[Tensor, "*S"], mask: Tensor) -> Float[Tensor, ""]:
    """The mean where `mask` is true; 0 where it is nowhere."""
    return (values * mask).sum() / mask.sum().clamp_min(1)
