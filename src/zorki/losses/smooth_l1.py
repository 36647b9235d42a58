"""Smooth L1: a square near zero, straight lines further out."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def smooth_l1_loss(
    answered: Float[Tensor, "*N"], wanted: Float[Tensor, "*N"], *, beta: float = 1.0
) -> Float[Tensor, "*N"]:
    """x^2 / (2 beta) where |x| < beta, else |x| - beta / 2, of every difference x, in float32; not summed up.

    Girshick (2015), eq. 3, has beta 1; Ren et al. (2015) in effect 1/9. With `beta` 0 it is |x|.
    """
    return functional.smooth_l1_loss(answered.float(), wanted.float(), beta=beta, reduction="none")
