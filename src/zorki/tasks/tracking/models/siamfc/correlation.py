"""How alike an exemplar's features are to those at every place of a search region."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class CrossCorrelation(nn.Module):
    """The sum of products over the exemplar, a learned factor and bias behind it: Bertinetto et al. (2016), eq. 1.

    The factor starts at a thousandth, as in the authors' program: sums over thousands of products are large.
    """

    unit = "logit"
    """What `forward` gives, in a word."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1e-3))
        self.bias = nn.Parameter(torch.tensor(0.0))

    def forward(self, exemplars: Float[Tensor, "N C h w"], searches: Float[Tensor, "N S C H W"]) -> Tensor:
        """Logits (N, S, H - h + 1, W - w + 1)."""
        return self.gain * cross_correlation(exemplars, searches) + self.bias

    def scores(self, logits: Float[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """Probabilities, 0..1."""
        return logits.sigmoid()


class CosineCorrelation(nn.Module):
    """The cosine between the exemplar and each place, both less the exemplar's mean feature.

    Features of a classification network are positive and strong where an image is bright or rich in edges: sums of
    products are largest there, whatever the exemplar shows. A cosine is not, and so needs no training.

    Args:
        learned: a factor and a bias, with which cosines become logits; else the cosines are scores as they are.
    """

    def __init__(self, *, learned: bool) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(10.0)) if learned else None
        self.bias = nn.Parameter(torch.tensor(-5.0)) if learned else None
        self.unit = "logit" if learned else "cosine similarity"

    def forward(self, exemplars: Float[Tensor, "N C h w"], searches: Float[Tensor, "N S C H W"]) -> Tensor:
        """Logits, or cosines, (N, S, H - h + 1, W - w + 1)."""
        mean = exemplars.mean((2, 3), keepdim=True)
        centered, others = exemplars - mean, searches - mean[:, None]
        squares = others.norm(dim=2).square()
        area = exemplars.shape[-2] * exemplars.shape[-1]
        norms = (functional.avg_pool2d(squares, exemplars.shape[-2:], 1) * area).clamp_min(1e-6).sqrt()
        lengths = centered.flatten(1).norm(dim=1).clamp_min(1e-6)[:, None, None, None]
        cosines = cross_correlation(centered, others) / (norms * lengths)
        return cosines if self.gain is None or self.bias is None else self.gain * cosines + self.bias

    def scores(self, logits: Float[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """0..1."""
        return logits.clamp(0, 1) if self.gain is None else logits.sigmoid()


def cross_correlation(
    exemplars: Float[Tensor, "N C h w"], searches: Float[Tensor, "N S C H W"]
) -> Float[Tensor, "N S I J"]:
    """Each exemplar's sum of products at each place of its own S search regions."""
    if exemplars.device.type == "cpu":
        return _products_along_diagonals(exemplars, searches)
    count, scales, channels = searches.shape[:3]
    # A group of channels a pair of exemplar and region: one convolution for all.
    kernels = exemplars.repeat_interleave(scales, 0)
    inputs = searches.reshape(1, count * scales * channels, *searches.shape[3:])
    maps = functional.conv2d(inputs, kernels, groups=count * scales)
    return maps.reshape(count, scales, *maps.shape[2:])


def _products_along_diagonals(
    exemplars: Float[Tensor, "N C h w"], searches: Float[Tensor, "N S C H W"]
) -> Float[Tensor, "N S I J"]:
    """The same as a product of matrices, every feature of the exemplar by every one of the region, summed up by place.

    A convolution with one filter a group takes ten times as long on the CPU, and its gradients thirty times: it has no
    second filter to reuse pixels for.
    """
    (count, scales, channels, rows, columns), (height, width) = searches.shape, exemplars.shape[2:]
    pixels = searches.transpose(1, 2).reshape(count, channels, -1)
    # `fold` adds what lies at i + a; flipped, a product of the features i and a is added at i + (height - 1 - a).
    products = exemplars.flip(2, 3).flatten(2).transpose(1, 2) @ pixels
    products = products.unflatten(2, (scales, rows * columns)).transpose(1, 2).flatten(0, 1)
    sums = functional.fold(products, (rows + height - 1, columns + width - 1), (height, width))
    return sums[:, 0, height - 1 : rows, width - 1 : columns].unflatten(0, (count, scales))
