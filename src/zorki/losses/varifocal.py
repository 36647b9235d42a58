"""Varifocal loss (Zhang et al., 2021: VarifocalNet): scores that say how well a box fits."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional


def varifocal_loss(
    logits: Float[Tensor, "*N"],
    positive: Bool[Tensor, "*N"],
    quality: Float[Tensor, "*N"],
    alpha: float = 0.75,
    gamma: float = 2.0,
) -> Float[Tensor, "*N"]:
    """Binary cross-entropy with the quality for its target, of each logit (equation 2).

    Positives weigh as much as their quality, so that good boxes teach more; all others weigh alpha p^gamma, so that
    those that are right already teach little.

    Args:
        positive: which logits are of an object's class.
        quality: the IoU of the box with the object, in 0..1; only that of positives counts.
    """
    target = quality * positive
    weight = alpha * logits.detach().sigmoid().pow(gamma) * ~positive + target
    return functional.binary_cross_entropy_with_logits(logits, target, weight.detach(), reduction="none")
