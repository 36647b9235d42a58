"""Images mixed in pairs within a batch, and their labels with them: MixUp and CutMix.

Both take a uint8 batch and give a uint8 batch, so they run in the loader's workers. Chance is drawn from the given
generator alone; the input is not changed. Every image has its own share.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from zorki.errors import RecipeError


def draw_shares(alpha: float, count: int, generator: torch.Generator) -> Float[Tensor, " count"]:
    """Draws from Beta(alpha, alpha), in [0, 1], for alpha above 0.

    As X / (X + Y) of two Gamma(alpha) numbers; where both are too small for a float, as tiny alphas make them, the
    share is 0 or 1 by a coin, which is the distribution's limit.
    """
    if alpha <= 0:
        raise RecipeError(f"Beta(alpha, alpha) needs an alpha above 0, but was given {alpha}")
    gammas = torch._standard_gamma(torch.full((2, count), alpha, dtype=torch.float64), generator=generator)
    coin = torch.rand(count, generator=generator) < 0.5
    total = gammas.sum(0)
    return torch.where(total > 1e-300, gammas[0] / total, coin.double()).float()


def mixup(
    inputs: UInt8[Tensor, "B 3 H W"], alpha: float, generator: torch.Generator
) -> tuple[UInt8[Tensor, "B 3 H W"], Int[Tensor, " B"], Float[Tensor, " B"]]:
    """MixUp (Zhang et al., 2018, equation 2): every image blended with a partner of the batch.

    Returns:
        The images, each one's partner, and the share that is its own; the partner's is the rest. Shares come from
        Beta(alpha, alpha); the paper takes 0.2 for ImageNet and 1 for CIFAR-10, with one share a batch.
    """
    partner = torch.randperm(len(inputs), generator=generator)
    share = draw_shares(alpha, len(inputs), generator)
    mixed = torch.empty_like(inputs, memory_format=torch.contiguous_format)
    # A few images at a time: floats of a whole batch would leave the processor's cache, at a twentieth of the speed.
    step = max(1, 2**18 // max(1, inputs[:1].numel()))
    for first in range(0, len(inputs), step):
        some = slice(first, first + step)
        own, other = inputs[some].float(), inputs[partner[some]].float()
        mixed[some] = torch.lerp(other, own, share[some, None, None, None]).add_(0.5).to(torch.int32)
    return mixed, partner, share


def cutmix(
    inputs: UInt8[Tensor, "B 3 H W"], alpha: float, generator: torch.Generator
) -> tuple[UInt8[Tensor, "B 3 H W"], Int[Tensor, " B"], Float[Tensor, " B"]]:
    """CutMix (Yun et al., 2019, section 3.1): a box of every image replaced by its partner's same box.

    A share is drawn from Beta(alpha, alpha), the paper's alpha is 1; the box has the image's aspect, 1 - share of
    its area, its center anywhere, and is cut off at the edges.

    Returns:
        The images, each one's partner, and the share of pixels that is its own, counted after cutting off.
    """
    count, _, height, width = inputs.shape
    partner = torch.randperm(count, generator=generator)
    extent = (1 - draw_shares(alpha, count, generator)).sqrt()
    center_y, center_x = torch.rand((2, count), generator=generator)
    top, bottom = (_edge(center_y, extent, sign, height) for sign in (-0.5, 0.5))
    left, right = (_edge(center_x, extent, sign, width) for sign in (-0.5, 0.5))
    mixed = inputs.clone(memory_format=torch.contiguous_format)
    boxes = zip(*(values.tolist() for values in (partner, top, bottom, left, right)), strict=True)
    for image, (other, first_row, end_row, first_column, end_column) in zip(mixed, boxes, strict=True):
        part = (slice(None), slice(first_row, end_row), slice(first_column, end_column))
        image[part] = inputs[other][part]
    return mixed, partner, 1 - (bottom - top) * (right - left) / (height * width)


def mix_scores(
    labels: Int[Tensor, " B"], partner: Int[Tensor, " B"], share: Float[Tensor, " B"], num_classes: int
) -> Float[Tensor, "B K"]:
    """What a mixed image shows: `share` of its own class, the rest of its partner's; rows sum to 1."""
    scores = torch.zeros((len(labels), num_classes))
    scores.scatter_add_(1, labels[:, None], share[:, None])
    return scores.scatter_add_(1, labels[partner][:, None], 1 - share[:, None])


def _edge(center: Tensor, extent: Tensor, sign: float, size: int) -> Tensor:
    return ((center + sign * extent) * size).round().clamp(0, size).long()
