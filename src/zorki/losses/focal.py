"""Focal loss (Lin et al., 2017: Focal Loss for Dense Object Detection, section 3): the easy examples count little.

Of a table of zeros and ones it is `torchvision.ops.sigmoid_focal_loss`.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def focal_loss_of_labels(
    logits: Float[Tensor, "N K"],
    labels: Int[Tensor, " N"],
    weights: Float[Tensor, " N"],
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> Float[Tensor, ""]:
    """The sum of torchvision's `sigmoid_focal_loss` over rows with one right class, each row times its weight.

    -alpha_t (1 - p_t)^gamma log p_t of every logit (section 3.2, eq. 5), in float32. No table of zeros and ones is made
    and the gradient is worked out on the way, so that hundreds of thousands of anchors cost few passes over the memory:
    a fifth of torchvision's time for 38,412 anchors and 80 classes (`python benchmarks/losses.py`). It cannot be
    differentiated twice.

    Args:
        labels: 0..K-1; negative for rows that are background: no class is right.
        alpha: weight of the ones; the zeros have 1 - alpha.
        gamma: 0 is the weighted cross-entropy.
        weights: 0 for rows that are ignored.
    """
    total: Tensor = _FocalSum.apply(logits.float(), labels, weights.float(), alpha, gamma)  # type: ignore[no-untyped-call]
    return total


def focal_of_shares(log_share: Float[Tensor, "*N"], *, gamma: float = 2.0) -> Float[Tensor, "*N"]:
    """-(1 - p)^gamma log p of the logarithm of the right class's share p (section 3.2, eq. 4, over classes).

    For shares of a softmax, where the paper has a sigmoid a class. In float32; 0 is the cross-entropy.
    """
    log_share = log_share.float()
    # Slopes of powers below 1 are endless at 0.
    missed = (-torch.expm1(log_share)).clamp_min(1e-12)
    return -log_share * (missed.square() if gamma == 2 else missed.pow(gamma))


class _FocalSum(torch.autograd.Function):
    """With s = softplus(x) and p = sigmoid(x), a zero costs (1 - alpha) p^gamma s, whose derivative is
    (1 - alpha) p^gamma (gamma (1 - p) s + p); a one costs the same of -x, with alpha in place of 1 - alpha.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, weights: Tensor, alpha: float, gamma: float) -> Tensor:
        rows = (labels >= 0).nonzero()[:, 0]
        right = labels[rows]
        cost, slope = _cost_and_slope(logits, gamma)
        cost_of_right, slope_of_right = _cost_and_slope(-logits[rows, right], gamma)
        # Everything was counted as background first: the few that are not are put right.
        change = alpha * cost_of_right - (1 - alpha) * cost[rows, right]
        total = (1 - alpha) * (cost.sum(1) * weights).sum() + (change * weights[rows]).sum()
        if ctx.needs_input_grad[0]:
            slope *= (1 - alpha) * weights[:, None]
            slope[rows, right] = -alpha * slope_of_right * weights[rows]
            ctx.save_for_backward(slope)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        (slope,) = ctx.saved_tensors
        return slope * gradients[0], None, None, None, None


def _cost_and_slope(x: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    p = x.sigmoid()
    cost = functional.softplus(x)
    modulation = p.square() if gamma == 2 else p.pow(gamma)
    slope = (1 - p).mul_(cost).mul_(gamma).add_(p).mul_(modulation)
    return cost.mul_(modulation), slope
