"""Redundancy reduction: the cross-correlation of two views is to be the identity."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from zorki.losses.self_supervised.gather import gather_rows

_EPSILON = 1e-5  # added to variances, as batch norm has it: a constant number of a vector correlates with nothing


def cross_correlation_loss(
    first: Float[Tensor, "B D"], second: Float[Tensor, "B D"], redundancy: float = 0.005, *, gathered: bool = True
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Barlow Twins (Zbontar et al., 2021, eq. 1): the sum of (1 - C_ii)^2, and that of C_ij^2 times `redundancy`.

    C is the correlation over the batch between numbers i of the first views and j of the second; a batch of several
    processes is one batch where it is `gathered`. The authors' code divides by nothing either.
    """
    with torch.autocast(first.device.type, enabled=False):
        a, b = (_standardized(gather_rows(one.float()) if gathered else one.float()) for one in (first, second))
        correlation = a.T @ b / len(a)
    diagonal = correlation.diagonal()
    others = correlation.square().sum() - diagonal.square().sum()
    return (1 - diagonal).square().sum(), redundancy * others


def _standardized(rows: Tensor) -> Tensor:
    centered = rows - rows.mean(0)
    return centered * torch.rsqrt(centered.square().mean(0) + _EPSILON)
