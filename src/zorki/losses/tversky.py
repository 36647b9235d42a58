"""The Tversky loss (Salehi et al., 2017, section 2.2): what is missed may weigh more than what is invented."""

from __future__ import annotations

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from zorki.losses.overlap import class_overlaps, divisor, mean_of_present


def tversky_loss(
    probabilities: Float[Tensor, "B K H W"],
    target: Int64[Tensor, "B H W"],
    valid: Bool[Tensor, "B H W"],
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
) -> Float[Tensor, ""]:
    """1 - T with T = sum p g / (sum p g + alpha sum p (1 - g) + beta sum (1 - p) g) (eq. 3), the mean over classes.

    0..1, in float32. Sums, classes that are not wanted and ignored pixels: see `soft_dice_loss`. The
    paper has one foreground; here every class counts alike, background too.

    Args:
        target: classes 0..K-1; any of them where a pixel is ignored.
        alpha: weight of what was predicted wrongly. Both 0.5 make it Dice without squares, both 1 the soft IoU.
        beta: weight of what was missed; 0.7 is the paper's best.
    """
    overlap = class_overlaps(probabilities.float(), target, valid, squared=False)
    intersection = overlap.intersection
    whole = intersection + alpha * (overlap.predicted - intersection) + beta * (overlap.target - intersection)
    return mean_of_present(1 - intersection / divisor(whole, overlap), overlap)
