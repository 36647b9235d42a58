"""Nearest neighbors that vote: how well features tell classes apart that they were never told of."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

_AT_ONCE = 1024  # queries


def knn_labels(
    queries: Float[Tensor, "N D"],
    reference: Float[Tensor, "M D"],
    labels: Int64[Tensor, " M"],
    num_classes: int,
    *,
    k: int = 200,
    temperature: float = 0.1,
) -> Int64[Tensor, " N"]:
    """The class of each query by the k nearest of the reference, each with a vote of exp(cosine / temperature).

    Wu et al., 2018 (Unsupervised Feature Learning via Non-Parametric Instance Discrimination, section 3.4), who take
    a temperature of .07. Of equal votes the lower label wins.

    Args:
        k: at most as many as the reference has.
    """
    gallery = functional.normalize(reference.float(), dim=1)
    one_hot = functional.one_hot(labels, num_classes).float()
    found = []
    for some in functional.normalize(queries.float(), dim=1).split(_AT_ONCE):
        cosines, places = (some @ gallery.T).topk(min(k, len(gallery)), 1)
        votes = (cosines / temperature).sub_(1 / temperature).exp_()
        found.append(torch.einsum("nk,nkc->nc", votes, one_hot[places]).argmax(1))
    return torch.cat(found) if found else labels[:0]
