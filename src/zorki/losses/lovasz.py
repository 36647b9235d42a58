"""Lovasz-softmax (Berman et al., 2018): the IoU itself, continued between the predictions that are right or wrong."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor


def lovasz_softmax_loss(
    probabilities: Float[Tensor, "B K H W"], target: Int64[Tensor, "B H W"], valid: Bool[Tensor, "B H W"]
) -> Float[Tensor, ""]:
    """The Lovasz extension of 1 - IoU at the errors of each class (eq. 9, 11 and 12), the mean over classes.

    In float32, 0..1; over all valid pixels of the batch together, and over the classes that are wanted in it (the
    paper, section 3.2, on batches: absent classes only draw the prediction to nothing). Where all errors are 0 or 1 it
    is 1 - IoU. Where no pixel is valid the loss is 0.

    Args:
        target: classes 0..K-1; any of them where a pixel is ignored.
    """
    values = probabilities.float()
    classes = torch.where(valid, target, -1)
    with torch.no_grad():
        counts = torch.bincount(classes.flatten() + 1, minlength=values.shape[1] + 1)[1:].tolist()
        present = [label for label, count in enumerate(counts) if count]
        slopes = torch.zeros_like(values)
        for label in present:
            found = _slopes(values[:, label].flatten(), (classes == label).flatten(), valid.flatten())
            slopes[:, label] = found.view(target.shape)
    # The extension is linear as long as the order of the errors stays. An error is p, or 1 - p where the class is
    # wanted: with slopes of p, which are negative there, only what is 1 is left out.
    ones = -slopes.clamp_max(0).sum()
    return ((values * slopes).sum() + ones) / max(1, len(present))


def _slopes(p: Float[Tensor, " N"], mine: Bool[Tensor, " N"], valid: Bool[Tensor, " N"]) -> Float[Tensor, " N"]:
    """By how much the loss of a class grows with its share at each pixel (algorithm 1, and the sign of the error)."""
    order = _largest_first(torch.where(mine, 1 - p, p), valid)
    sorted_mine = mine[order]
    misses = sorted_mine.cumsum(0, dtype=torch.int32)
    count = misses[-1]
    # With the largest i errors made, the class keeps `left` of its pixels, and `union` are its or predicted as its.
    left = (count - misses).float()
    union = (count + torch.arange(1, len(p) + 1, device=p.device, dtype=torch.int32) - misses).float()
    # What one error more costs, written so that no two numbers near 1 are subtracted.
    growth = torch.where(sorted_mine, -1 / union, left / (union * (union - 1).clamp_min(1)))
    return torch.empty_like(p).scatter_(0, order, growth) * valid


def _largest_first(errors: Float[Tensor, " N"], valid: Bool[Tensor, " N"]) -> Int[Tensor, " N"]:
    # Floats of 0 and above are in the order of their bits, and integers are sorted ten times as fast on a processor,
    # if upwards. Ignored pixels come last.
    bits = errors.clamp_min(0).view(torch.int32)
    return torch.where(valid, -bits, 1).sort().indices
