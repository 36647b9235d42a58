"""Hard negative mining: of the many anchors without an object, those that the network finds hardest."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@torch.no_grad()
def hard_negatives(
    losses: Float[Tensor, "B P"], is_positive: Bool[Tensor, "B P"], ratio: float = 3.0, *, least: int = 0
) -> Bool[Tensor, "B P"]:
    """In each image the `ratio` times as many negatives as it has positives, of the highest loss.

    Liu et al. (2016), section 2.2. Everything that is not positive is negative.

    Args:
        losses: of calling each anchor background.
        is_positive: anchors that learn an object.
        ratio: negatives for each positive.
        least: negatives of images with fewer positives; the paper has 0, and so learns nothing from an image
            without objects.
    """
    num_negatives = (is_positive.sum(1, keepdim=True) * ratio).long().clamp_min(least)
    hardness = losses.masked_fill(is_positive, -torch.inf)
    rank = hardness.argsort(dim=1, descending=True, stable=True).argsort(1)
    return (rank < num_negatives) & ~is_positive
