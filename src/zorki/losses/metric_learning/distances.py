"""Distances between all embeddings of a batch, with a slope everywhere."""

from __future__ import annotations

from jaxtyping import Bool, Float, Int64
from torch import Tensor

MIN_SQUARE = 1e-12  # below it a distance counts as 0: the slope of the root is infinite there


def squared_distances(embeddings: Float[Tensor, "B D"]) -> Float[Tensor, "B B"]:
    """Squared Euclidean distances, never negative; float32."""
    x = embeddings.float()
    squares = x.square().sum(1)
    return (squares[:, None] + squares[None] - 2 * x @ x.T).clamp_min(0)


def distances(embeddings: Float[Tensor, "B D"]) -> Float[Tensor, "B B"]:
    """Euclidean distances; the slope of one that is 0 is 0."""
    squares = squared_distances(embeddings)
    return squares.clamp_min(MIN_SQUARE).sqrt() * (squares > MIN_SQUARE)


def pair_masks(labels: Int64[Tensor, " B"]) -> tuple[Bool[Tensor, "B B"], Bool[Tensor, "B B"]]:
    """(positive, negative): of one class, each with every other; and of different classes."""
    same = labels[:, None] == labels[None]
    positive = same.clone()
    positive.fill_diagonal_(False)
    return positive, ~same
