"""Losses with a learned point for each class: ArcFace and Proxy-Anchor."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional


class ArcFaceLoss(nn.Module):
    """Softmax over cosines to class centers, the right one's angle enlarged by a margin (Deng et al., 2019, eq. 3).

    Where angle plus margin would pass pi the cosine would rise again; there it goes on straight down, so that the
    hardest samples keep a slope, as the authors' code has it.

    Args:
        margin: m, in radians.
        scale: s, the inverse temperature of the softmax.
    """

    def __init__(self, num_classes: int, dim: int, margin: float = 0.5, scale: float = 64.0) -> None:
        super().__init__()
        if not 0 <= margin < math.pi / 2:
            raise ValueError(f"ArcFace's margin is an angle from 0 up to, not including, pi / 2; got {margin}")
        self.margin = margin
        self.scale = scale
        self.centers = nn.Parameter(torch.empty(num_classes, dim))
        nn.init.normal_(self.centers, std=0.01)

    def forward(self, embeddings: Float[Tensor, "B D"], labels: Int64[Tensor, " B"]) -> Float[Tensor, ""]:
        """The mean cross-entropy, float32."""
        cosine = functional.normalize(embeddings.float()) @ functional.normalize(self.centers.float()).T
        right = cosine.gather(1, labels[:, None])
        # The slope of acos is infinite at 1 and -1.
        angle = right.clamp(-1 + 1e-7, 1 - 1e-7).acos()
        beyond = angle + self.margin > math.pi
        harder = torch.where(beyond, right - self.margin * math.sin(self.margin), (angle + self.margin).cos())
        return functional.cross_entropy(self.scale * cosine.scatter(1, labels[:, None], harder), labels)


class ProxyAnchorLoss(nn.Module):
    """Each class's proxy pulls its samples and pushes all others, the hardest most (Kim et al., 2020, eq. 4).

    Args:
        margin: delta, in cosine.
        scale: alpha.
    """

    def __init__(self, num_classes: int, dim: int, margin: float = 0.1, scale: float = 32.0) -> None:
        super().__init__()
        self.margin = margin
        self.scale = scale
        self.proxies = nn.Parameter(torch.empty(num_classes, dim))
        nn.init.kaiming_normal_(self.proxies, mode="fan_out")

    def forward(self, embeddings: Float[Tensor, "B D"], labels: Int64[Tensor, " B"]) -> Float[Tensor, ""]:
        """The pull, averaged over the proxies of the batch's classes, and the push, averaged over all; float32."""
        cosine = functional.normalize(embeddings.float()) @ functional.normalize(self.proxies.float()).T
        own = functional.one_hot(labels, len(self.proxies)).bool()
        pull = _log_one_plus_sum_exp(-self.scale * (cosine - self.margin), own)
        push = _log_one_plus_sum_exp(self.scale * (cosine + self.margin), ~own)
        return pull.sum() / own.any(0).sum() + push.mean()


def _log_one_plus_sum_exp(values: Float[Tensor, "B K"], mask: Tensor) -> Float[Tensor, " K"]:
    """log(1 + sum of exp) of each column, over the rows in `mask`: 0 where there are none."""
    inside = values.masked_fill(~mask, -torch.inf)
    return torch.cat([inside.new_zeros(1, inside.shape[1]), inside]).logsumexp(0)
