"""Style as correlations of features (Gatys et al., 2015: A Neural Algorithm of Artistic Style, section 2)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

GramForm = Literal["paper", "lectures"]
"""How Gram matrices are compared: as in the paper, divided by 4 N² M², or as plain sums over all places."""


CONTENT_DIVISOR = 20.0
"""Content losses are divided by so many times what noise has: a strength of one half is a usual image then."""


def gram_sum(features: Float[Tensor, "B C H W"], weights: Float[Tensor, "H W"] | None = None) -> Float[Tensor, "B C C"]:
    """The Gram matrix (equation 3): products of channels, summed over places, as float32.

    Features of 16 bits are multiplied as they are, and the sums rounded to their three digits: the quick way there.

    Args:
        weights: of places, such as a region's; None: 1 each.
    """
    # Places first: no copy is made of maps whose channels lie last in memory.
    flat = features.permute(0, 2, 3, 1).flatten(1, 2)
    weighted = flat if weights is None else flat * weights.flatten()[:, None].to(flat.dtype)
    with torch.autocast(features.device.type, enabled=False):
        return (weighted.transpose(1, 2) @ flat).to(torch.promote_types(flat.dtype, torch.float32))


def gram_mean(features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C C"]:
    """The Gram matrix as a mean over places, so that images of different sizes compare."""
    return gram_sum(features) / (features.shape[2] * features.shape[3])


def gram_distance(
    grams: Float[Tensor, "... C C"], targets: Float[Tensor, "... C C"], form: GramForm, places: float
) -> Float[Tensor, ""]:
    """The style loss of a layer (equation 4) from Gram matrices that are means over places; mean over a batch.

    The paper's E = sum((G - A)²) / (4 N² M²), G and A sums over M places of N channels: of means, the M² cancels, and
    the style may have another size than the image. The lectures leave the divisor out, so that layers with many
    channels and places weigh more; the style's Gram matrix is brought to as many places as the image has.

    Args:
        places: M, of the image.
    """
    squared = (grams - targets).square().sum((-2, -1)).mean()
    channels = grams.shape[-1]
    return squared / (4 * channels**2) if form == "paper" else squared * places**2


def total_variation(images: Float[Tensor, "B C H W"]) -> Float[Tensor, ""]:
    """Mean squared difference of neighboring pixels, across and down (Mahendran & Vedaldi, 2015, section 3.2)."""
    down = (images[..., 1:, :] - images[..., :-1, :]).square().mean()
    across = (images[..., 1:] - images[..., :-1]).square().mean()
    return down + across
