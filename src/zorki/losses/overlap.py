"""How much of each class the prediction and the ground truth share: the sums that Dice and Tversky divide."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


class Overlap(NamedTuple):
    """Sums over the valid pixels of a batch, with p the predicted and g the wanted share of a class at a pixel."""

    intersection: Float[Tensor, " K"]  # of p g
    predicted: Float[Tensor, " K"]  # of p, or of p^2
    target: Float[Tensor, " K"]  # of g, which is g^2


def class_overlaps(
    probabilities: Float[Tensor, "B K H W"],
    target: Int64[Tensor, "B H W"],
    valid: Bool[Tensor, "B H W"],
    *,
    squared: bool,
) -> Overlap:
    """The sums of each class over all images together; no table of zeros and ones is made.

    Args:
        target: classes 0..K-1; any of them where a pixel is ignored.
        squared: whether p is squared in `predicted`.
    """
    batch, classes, height, _ = probabilities.shape
    counts = valid.float()
    right = probabilities.gather(1, target[:, None])[:, 0] * counts
    # Row by row first: a float32 that has reached 2^18 rounds each pixel more that is added to it to a 32nd.
    rows = probabilities.new_zeros((batch, height, classes))
    intersection = rows.scatter_add(2, target, right).sum((0, 1))
    kept = probabilities * counts[:, None]
    predicted = (kept * probabilities if squared else kept).sum((0, 2, 3))
    return Overlap(intersection, predicted, rows.scatter_add(2, target, counts).sum((0, 1)))


def mean_of_present(losses: Float[Tensor, " K"], overlap: Overlap) -> Float[Tensor, ""]:
    """The mean over the classes that are wanted somewhere; 0 where none is."""
    present = (overlap.target > 0).float()
    return (losses * present).sum() / present.sum().clamp_min(1)


def divisor(values: Float[Tensor, " K"], overlap: Overlap) -> Float[Tensor, " K"]:
    """What to divide by: the values, and 1 for classes that are not wanted, so that no slope is endless."""
    return torch.where(overlap.target > 0, values, torch.ones_like(values))
