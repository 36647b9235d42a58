"""Style as correlations of features (Gatys et al., 2015: A Neural Algorithm of Artistic Style, section 2)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

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
    return gram_tap(features, weights)[1]


def gram_tap(
    features: Float[Tensor, "B C H W"], weights: Float[Tensor, "H W"] | None = None
) -> tuple[Float[Tensor, "B C H W"], Float[Tensor, "B C C"]]:
    """The features, to be passed on to the next layer, and `gram_sum` of them.

    Where a network goes on with what it gets back, both gradients are brought together in the memory of the one.
    """
    with torch.autocast(features.device.type, enabled=False):
        passed, sums = _GramTap.apply(features, weights)  # type: ignore[no-untyped-call]
    return passed, sums.to(torch.promote_types(features.dtype, torch.float32))


class _GramTap(torch.autograd.Function):
    """F'WF of features F (M, C). Its gradient by F is WF(G + G'): one product, where autograd makes two of halves."""

    @staticmethod
    def forward(context: Any, features: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        context.save_for_backward(features, weights)
        context.set_materialize_grads(False)
        flat, weighted = _flat(features), _weighted(features, weights)
        # Not a view: of one image it would lose the order of its memory.
        return features.detach(), weighted.transpose(1, 2) @ flat

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(context: Any, passed: Tensor | None, sums: Tensor | None) -> tuple[Tensor | None, None]:
        features, weights = context.saved_tensors
        if sums is None:
            return passed, None
        weighted, both = _weighted(features, weights), (sums + sums.transpose(1, 2)).to(features.dtype)
        if passed is None:
            found = weighted @ both
            return found.unflatten(1, features.shape[2:]).permute(0, 3, 1, 2), None
        # The gradient is nobody else's: a network of taps is a chain.
        passed = passed.contiguous(memory_format=torch.channels_last)
        _flat(passed).baddbmm_(weighted, both)
        return passed, None


def _flat(features: Tensor) -> Tensor:
    """(B, M, C), places first: no copy is made of maps whose channels lie last in memory."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def _weighted(features: Tensor, weights: Tensor | None) -> Tensor:
    flat = _flat(features)
    return flat if weights is None else flat * weights.flatten()[:, None].to(flat.dtype)


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
