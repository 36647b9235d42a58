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

    def forward(self, exemplars: Float[Tensor, "N C h w"], searches: Float[Tensor, "N S C H W"]) -> Tensor:
        """Logits, or cosines, (N, S, H - h + 1, W - w + 1)."""
        mean = exemplars.mean((2, 3), keepdim=True)
        centered, others = exemplars - mean, searches - mean[:, None]
        squares = others.square().sum(2)
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
    if exemplars.device.type == "cpu" and not torch.is_grad_enabled():
        pairs = zip(exemplars, searches, strict=True)
        return torch.stack([_sums_of_products(exemplar, search) for exemplar, search in pairs])
    count, scales, channels = searches.shape[:3]
    # A group of channels a pair of exemplar and region: one convolution for all.
    kernels = exemplars.repeat_interleave(scales, 0)
    inputs = searches.reshape(1, count * scales * channels, *searches.shape[3:])
    maps = functional.conv2d(inputs, kernels, groups=count * scales)
    return maps.reshape(count, scales, *maps.shape[2:])


def _sums_of_products(exemplar: Float[Tensor, "C h w"], searches: Float[Tensor, "S C H W"]) -> Float[Tensor, "S I J"]:
    """The same of one exemplar: one product of matrices, whose results are added up along diagonals.

    A convolution with one filter takes seven times as long on the CPU: it has no second filter to reuse pixels for.
    """
    (channels, height, width), (rows, columns) = exemplar.shape, searches.shape[2:]
    pixels = searches.permute(0, 2, 3, 1).reshape(-1, channels)
    products = (pixels @ exemplar.flatten(1)).view(-1, rows, columns, height, width)
    s, i, j, a, b = products.stride()
    shape = (len(searches), rows - height + 1, columns - width + 1, height, width)
    return products.as_strided(shape, (s, i, j, i + a, j + b)).sum((3, 4))
