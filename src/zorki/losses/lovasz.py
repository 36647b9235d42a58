"""Lovasz-softmax (Berman et al., 2018): the IoU itself, continued between the answers that are right or wrong."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor


def lovasz_softmax_loss(
    probabilities: Float[Tensor, "B K H W"], wanted: Int64[Tensor, "B H W"], judged: Bool[Tensor, "B H W"]
) -> Float[Tensor, ""]:
    """The Lovasz extension of 1 - IoU at the errors of each class (eq. 9, 11 and 12), the mean over classes.

    In float32, 0..1; over all judged pixels of the batch together, and over the classes that are wanted in it (the
    paper, section 3.2, on batches: absent classes only draw the answer to nothing). Where all errors are 0 or 1 it is
    1 - IoU. Where no pixel is judged the loss is 0.

    Args:
        wanted: classes 0..K-1; any of them where a pixel is not judged.
    """
    values = probabilities.float()
    classes = torch.where(judged, wanted, -1)
    with torch.no_grad():
        counts = torch.bincount(classes.flatten() + 1, minlength=values.shape[1] + 1)[1:].tolist()
        present = [label for label, count in enumerate(counts) if count]
        slopes = torch.zeros_like(values)
        for label in present:
            found = _slopes(values[:, label].flatten(), (classes == label).flatten(), judged.flatten())
            slopes[:, label] = found.view(wanted.shape)
    # The extension is linear as long as the order of the errors stays. An error is p, or 1 - p where the class is
    # wanted: with slopes of p, which are negative there, only what is 1 is left out.
    ones = -slopes.clamp_max(0).sum()
    return ((values * slopes).sum() + ones) / max(1, len(present))


def _slopes(p: Float[Tensor, " N"], mine: Bool[Tensor, " N"], judged: Bool[Tensor, " N"]) -> Float[Tensor, " N"]:
    """By how much the loss of a class grows with its share at each pixel (algorithm 1, and the sign of the error)."""
    order = _largest_first(torch.where(mine, 1 - p, p), judged)
    sorted_mine = mine[order]
    misses = sorted_mine.cumsum(0, dtype=torch.int32)
    count = misses[-1]
    # With the largest i errors made, the class keeps `left` of its pixels, and `union` are its or answered as its.
    left = (count - misses).float()
    union = (count + torch.arange(1, len(p) + 1, device=p.device, dtype=torch.int32) - misses).float()
    # What one error more costs, written so that no two numbers near 1 are subtracted.
    growth = torch.where(sorted_mine, -1 / union, left / (union * (union - 1).clamp_min(1)))
    return torch.empty_like(p).scatter_(0, order, growth) * judged


def _largest_first(errors: Float[Tensor, " N"], judged: Bool[Tensor, " N"]) -> Int[Tensor, " N"]:
    # Floats of 0 and above are in the order of their bits, and integers are sorted ten times as fast on a processor,
    # if upwards. What is not judged comes last.
    bits = errors.clamp_min(0).view(torch.int32)
    return torch.where(judged, -bits, 1).sort().indices
