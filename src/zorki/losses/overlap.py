"""How much of each class the answer and the truth share: the sums that Dice and Tversky divide."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


class Overlap(NamedTuple):
    """Sums over the judged pixels of a batch, with p the answered and g the wanted share of a class at a pixel."""

    shared: Float[Tensor, " K"]  # of p g
    answered: Float[Tensor, " K"]  # of p, or of p^2
    wanted: Float[Tensor, " K"]  # of g, which is g^2


def class_overlaps(
    probabilities: Float[Tensor, "B K H W"],
    wanted: Int64[Tensor, "B H W"],
    judged: Bool[Tensor, "B H W"],
    *,
    squared: bool,
) -> Overlap:
    """The sums of each class over all images together; no table of zeros and ones is made.

    Args:
        wanted: classes 0..K-1; any of them where a pixel is not judged.
        squared: whether p is squared in `answered`.
    """
    batch, classes, height, _ = probabilities.shape
    counts = judged.float()
    right = probabilities.gather(1, wanted[:, None])[:, 0] * counts
    # Row by row first: a float32 that has reached 2^18 rounds each pixel more that is added to it to a 32nd.
    rows = probabilities.new_zeros((batch, height, classes))
    shared = rows.scatter_add(2, wanted, right).sum((0, 1))
    kept = probabilities * counts[:, None]
    answered = (kept * probabilities if squared else kept).sum((0, 2, 3))
    return Overlap(shared, answered, rows.scatter_add(2, wanted, counts).sum((0, 1)))


def mean_of_present(losses: Float[Tensor, " K"], overlap: Overlap) -> Float[Tensor, ""]:
    """The mean over the classes that are wanted somewhere; 0 where none is."""
    present = (overlap.wanted > 0).float()
    return (losses * present).sum() / present.sum().clamp_min(1)


def divisor(values: Float[Tensor, " K"], overlap: Overlap) -> Float[Tensor, " K"]:
    """What to divide by: the values, and 1 for classes that are not wanted, so that no slope is endless."""
    return torch.where(overlap.wanted > 0, values, torch.ones_like(values))
