"""One-shot classification: one known image a class, and every other image is given the class of the nearest."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

DRAWS = 20


def one_shot_accuracy(
    vectors: Float[Tensor, "N D"], labels: Int64[Tensor, " N"], *, draws: int = DRAWS, seed: int = 0
) -> float | None:
    """Share of images that lie nearest to the reference of their class, by inner product; None below two classes.

    The references are drawn `draws` times, one a class, and the mean is told: which image stands for a class matters.
    Images that are the only one of their class are references alone.

    >>> one_shot_accuracy(torch.eye(2)[[0, 0, 1, 1]], torch.tensor([0, 0, 1, 1]))
    1.0
    """
    classes, numbers = labels.unique(return_inverse=True)
    if len(classes) < 2 or len(classes) == len(labels):
        return None
    generator = torch.Generator().manual_seed(seed)
    order, counts = numbers.argsort(stable=True), numbers.bincount()
    starts = counts.cumsum(0) - counts
    shares = []
    for _ in range(draws):
        place = (torch.rand(len(classes), generator=generator, dtype=torch.float64) * counts).long()
        references = order[starts + place]
        query = torch.ones(len(labels), dtype=torch.bool)
        query[references] = False
        nearest = (vectors[query].float() @ vectors[references].float().T).argmax(1)
        shares.append(float((nearest == numbers[query]).double().mean()))
    return sum(shares) / draws
