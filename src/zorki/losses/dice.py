"""Soft Dice (Milletari et al., 2016: V-Net, section 3): regions that overlap, whatever their size."""

from __future__ import annotations

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from zorki.losses.overlap import class_overlaps, divisor, mean_of_present


def soft_dice_loss(
    probabilities: Float[Tensor, "B K H W"], target: Int64[Tensor, "B H W"], valid: Bool[Tensor, "B H W"]
) -> Float[Tensor, ""]:
    """1 - D with D = 2 sum p g / (sum p^2 + sum g^2), the mean over classes; 0..1, in float32.

    The sums of a class run over all valid pixels of the batch, with p its predicted and g its wanted share (0 or 1).
    The paper has one foreground and one volume a batch; here every class counts alike, background too.

    A class that no pixel wants is left out of the mean: its D is 0 with no slope, whatever was predicted. Where no
    pixel is valid the loss is 0.

    Args:
        target: classes 0..K-1; any of them where a pixel is ignored.
    """
    overlap = class_overlaps(probabilities.float(), target, valid, squared=True)
    dice = 2 * overlap.intersection / divisor(overlap.predicted + overlap.target, overlap)
    return mean_of_present(1 - dice, overlap)
