"""The contrastive loss of views: which of many vectors is the other view of the same image?"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.losses.self_supervised.gather import first_row, gather_rows

Negatives = Literal["batch", "queue"]


class InfoNceLoss(nn.Module):
    """-log exp(s(a, p) / t) / (exp(s(a, p) / t) + sum over negatives n of exp(s(a, n) / t)), in float32.

    InfoNCE (van den Oord et al., 2018, eq. 4). With normalized vectors and negatives of the batch it is SimCLR's
    NT-Xent (Chen et al., 2020, eq. 1): each view is the anchor in turn, and the negatives are all views of all other
    images. With negatives of a queue it is MoCo's (He et al., 2020, eq. 1): first views are the anchors. A batch of
    several processes is one batch while they train: see `gather_rows`. In evaluation each process is alone with its
    images, which may be fewer than those of others.

    Args:
        temperature: t, above 0.
        normalized: s is the cosine; else the inner product of the vectors as they are.
        negatives: where they come from: "batch" or "queue".
        hardest: how many of them count, those most similar to their anchor; 0: all.
    """

    def __init__(
        self,
        temperature: float = 0.1,
        *,
        normalized: bool = True,
        negatives: Negatives = "batch",
        hardest: int = 0,
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"the temperature is above 0; got {temperature}")
        if hardest < 0:
            raise ValueError(f"hardest counts negatives, 0 for all; got {hardest}")
        self.temperature, self.normalized = temperature, normalized
        self.negatives: Negatives = negatives
        self.hardest = hardest

    def forward(
        self, first: Float[Tensor, "B D"], second: Float[Tensor, "B D"], queue: Float[Tensor, "K D"] | None = None
    ) -> Float[Tensor, ""]:
        """The mean over anchors; 0 where there is no negative.

        Args:
            first, second: views of the same images, in one order.
            queue: negatives, where they come from a queue.
        """
        if self.negatives == "queue":
            if queue is None:
                raise ValueError("negatives come from a queue, but none was given")
            anchors, positives, stored = self._vectors(first), self._vectors(second), self._vectors(queue)
            others = torch.ones((len(anchors), len(stored)), dtype=torch.bool, device=anchors.device)
            return self._loss(anchors, positives, stored, others)
        count, start = len(first), first_row(len(first)) if self.training else 0
        both = [self._vectors(first), self._vectors(second)]
        anchors, positives = torch.cat(both), torch.cat(both[::-1])
        views = torch.cat([gather_rows(one) if self.training else one for one in both])
        images = torch.arange(len(views) // 2, device=views.device).repeat(2)
        own = torch.arange(start, start + count, device=views.device).repeat(2)
        return self._loss(anchors, positives, views, own[:, None] != images[None])

    def _vectors(self, x: Tensor) -> Tensor:
        return functional.normalize(x.float(), dim=-1) if self.normalized else x.float()

    def _loss(
        self,
        anchors: Float[Tensor, "A D"],
        positives: Float[Tensor, "A D"],
        negatives: Float[Tensor, "M D"],
        others: Bool[Tensor, "A M"],
    ) -> Float[Tensor, ""]:
        with torch.autocast(anchors.device.type, enabled=False):
            similar = anchors @ negatives.T / self.temperature
            positive = (anchors * positives).sum(1, keepdim=True) / self.temperature
        similar = similar.masked_fill(~others, -torch.inf)
        if 0 < self.hardest < similar.shape[1]:
            similar = similar.topk(self.hardest, 1).values
        return (torch.cat([positive, similar], 1).logsumexp(1) - positive[:, 0]).mean()
