"""Distances between all embeddings of a batch, with a slope everywhere."""

from __future__ import annotations

from jaxtyping import Bool, Float, Int64
from torch import Tensor

# What rounding leaves of |a|^2 + |b|^2 - 2ab where a = b, as a share of the first two: below it a distance counts as 0,
# since its root is no distance (0.0008 on the unit sphere), and the slope of the root is infinite at 0.
ROUNDING = 1e-6


def squared_distances(embeddings: Float[Tensor, "B D"]) -> Float[Tensor, "B B"]:
    """Squared Euclidean distances, never negative; float32. Of equal embeddings it is 0."""
    x = embeddings.float()
    squares = x.square().sum(1)
    both = squares[:, None] + squares[None]
    between = both - 2 * x @ x.T
    return between * (between > ROUNDING * both)


def distances(embeddings: Float[Tensor, "B D"]) -> Float[Tensor, "B B"]:
    """Euclidean distances; the slope of one that is 0 is 0."""
    squares = squared_distances(embeddings)
    apart = squares > 0
    return squares.where(apart, 1).sqrt() * apart


def pair_masks(labels: Int64[Tensor, " B"]) -> tuple[Bool[Tensor, "B B"], Bool[Tensor, "B B"]]:
    """(positive, negative): of one class, each with every other; and of different classes."""
    same = labels[:, None] == labels[None]
    positive = same.clone()
    positive.fill_diagonal_(False)
    return positive, ~same
