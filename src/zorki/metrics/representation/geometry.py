"""How vectors lie, whatever their labels: alignment, uniformity, effective rank, spread."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

ROUNDING = 1e-5  # singular values of N unit vectors below this share of sqrt(N) count as 0


def alignment(first: Float[Tensor, "N D"], second: Float[Tensor, "N D"]) -> Float[Tensor, ""]:
    """Mean squared distance between views of the same images, on the unit sphere; 0 is best, 4 is worst.

    Wang and Isola, 2020, section 4.1.1, with alpha = 2.
    """
    between = functional.normalize(first.float(), dim=1) - functional.normalize(second.float(), dim=1)
    return between.square().sum(1).mean()


def uniformity(vectors: Float[Tensor, "N D"], t: float = 2.0) -> Float[Tensor, ""]:
    """Log of the mean of exp(-t d^2) over all pairs, on the unit sphere; 0 where all are one, about -4 spread evenly.

    Wang and Isola, 2020, section 4.1.2. 0 for a single vector.
    """
    unit = functional.normalize(vectors.float(), dim=1)
    if len(unit) < 2:
        return unit.new_zeros(())
    squared = 2 - 2 * (unit @ unit.T)
    place = torch.triu_indices(len(unit), len(unit), 1, device=unit.device)
    return squared[place[0], place[1]].mul(-t).exp().mean().log()


def effective_rank(vectors: Float[Tensor, "N D"]) -> Float[Tensor, ""]:
    """Exp of the entropy of the singular values of the centered unit vectors, as shares of their sum; 1..min(N, D).

    Roy and Vetterli, 2007, definition 1; RankMe (Garrido et al., 2023) takes it of vectors as they are. 1 where all are
    one point.
    """
    unit = functional.normalize(vectors.double(), dim=1)
    centered = unit - unit.mean(0)
    # Eigenvalues of the smaller product of the two: of (N, D) that of D x D, where there are many vectors.
    product = centered.T @ centered if len(unit) > unit.shape[1] else centered @ centered.T
    values = torch.linalg.eigvalsh(product).clamp_min(0).sqrt()
    values = values * (values > ROUNDING * len(unit) ** 0.5)
    shares = values / values.sum().clamp_min(1e-12)
    return torch.special.entr(shares).sum().exp().float()


def spread(vectors: Float[Tensor, "N D"]) -> Float[Tensor, ""]:
    """Root of the mean squared distance of unit vectors from their mean; 1 all around the sphere, 0 in one point."""
    unit = functional.normalize(vectors.float(), dim=1)
    return (unit - unit.mean(0)).square().sum(1).mean().sqrt()


def participation_ratio(vectors: Float[Tensor, "N D"]) -> Float[Tensor, ""]:
    """(sum of variances)^2 / sum of their squares, over the principal directions of unit vectors: 1..min(N, D).

    How many directions carry the variance, where `effective_rank` counts faint ones too: 1 where all lie on a line, or
    are one point. Gao and Ganguli, 2015 (On simplicity and complexity in the brave new world of neuroscience).
    """
    unit = functional.normalize(vectors.double(), dim=1)
    centered = unit - unit.mean(0)
    product = centered.T @ centered if len(unit) > unit.shape[1] else centered @ centered.T
    total = product.diagonal().sum()
    if float(total) <= ROUNDING**2 * len(unit):
        return total.new_ones(()).float()
    return (total.square() / product.square().sum()).float()  # traces, without any eigenvalue
