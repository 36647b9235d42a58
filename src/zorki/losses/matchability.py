"""Matchability-aware loss (Huang et al., 2024: DEIM): scores that say how well a box fits, bad boxes counted too."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional


def matchability_loss(
    logits: Float[Tensor, "*N"], positive: Bool[Tensor, "*N"], quality: Float[Tensor, "*N"], gamma: float = 1.5
) -> Float[Tensor, "*N"]:
    """Binary cross-entropy with quality^gamma for its target, of each logit (section 3.3).

    Positives weigh 1 whatever their quality, where the varifocal loss weighs them by it: a match whose box is bad
    still, as all are at the beginning, teaches as much as a good one. All others weigh p^gamma.

    Args:
        positive: which logits are of an object's class.
        quality: the IoU of the box with the object, in 0..1; only that of positives counts.
    """
    weight = logits.detach().sigmoid().pow(gamma) * ~positive + positive
    target = quality.detach().pow(gamma) * positive
    return functional.binary_cross_entropy_with_logits(logits, target, weight, reduction="none")
