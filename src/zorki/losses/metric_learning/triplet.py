"""The triplet loss: nearer to one's own class than to any other, by a margin."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from zorki.losses.metric_learning.contrastive import masked_mean
from zorki.losses.metric_learning.distances import distances, pair_masks, squared_distances

Mining = Literal["all", "random", "semi_hard", "hardest"]
MININGS: tuple[Mining, ...] = ("all", "random", "semi_hard", "hardest")


class TripletLoss(nn.Module):
    """max(0, d(a, p) - d(a, n) + m) over triplets of anchor, positive and negative of a batch.

    Which triplets:
    - "all" (Hermans et al., 2017, batch all): every one; the mean is over those that violate the margin.
    - "random": every pair of a class with one negative drawn by chance.
    - "semi_hard" (Schroff et al., 2015, section 3.2): every pair of a class with the nearest negative that is farther
      away than the positive; where there is none, with the farthest.
    - "hardest" (Hermans et al., 2017, batch hard): every anchor with its farthest positive and its nearest negative.

    All but "all" average over the triplets they chose, active or not, so the loss falls as fewer are active.

    Args:
        margin: m, in the unit of the distance.
        squared: squared Euclidean distance as in FaceNet; else plain, as Hermans et al. advise.
    """

    def __init__(self, margin: float = 0.2, mining: Mining = "semi_hard", *, squared: bool = False) -> None:
        super().__init__()
        if margin <= 0:
            raise ValueError(f"the margin is a distance above 0; got {margin}")
        if mining not in MININGS:
            raise ValueError(f"mining is one of {', '.join(MININGS)}; got {mining!r}")
        self.margin = margin
        self.mining: Mining = mining
        self.squared = squared

    def forward(
        self, embeddings: Float[Tensor, "B D"], labels: Int64[Tensor, " B"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """(loss, share of the triplets that are active); both 0 where the batch has no triplet."""
        between = squared_distances(embeddings) if self.squared else distances(embeddings)
        positive, negative = pair_masks(labels)
        if self.mining == "hardest":
            gap, chosen = _hardest(between, positive, negative)
        elif self.mining == "all":
            gap = between[:, :, None] - between[:, None]
            chosen = positive[:, :, None] & negative[:, None]
        else:
            gap, chosen = _one_negative(between, positive, negative, semi_hard=self.mining == "semi_hard")
        violation = (gap + self.margin).clamp_min(0)
        active = chosen & (violation > 0)
        loss = masked_mean(violation, active if self.mining == "all" else chosen)
        return loss, masked_mean(active.float(), chosen).detach()


def _hardest(
    between: Float[Tensor, "B B"], positive: Bool[Tensor, "B B"], negative: Bool[Tensor, "B B"]
) -> tuple[Float[Tensor, " B"], Bool[Tensor, " B"]]:
    chosen = positive.any(1) & negative.any(1)
    farthest = between.masked_fill(~positive, -1).amax(1)
    nearest = between.masked_fill(~negative, torch.inf).amin(1)
    return torch.where(chosen, farthest - torch.where(chosen, nearest, 0), 0), chosen


def _one_negative(
    between: Float[Tensor, "B B"], positive: Bool[Tensor, "B B"], negative: Bool[Tensor, "B B"], *, semi_hard: bool
) -> tuple[Float[Tensor, "B B"], Bool[Tensor, "B B"]]:
    """The gap d(a, p) - d(a, n) of each pair (a, p) with its one negative, and which pairs there are."""
    with torch.no_grad():
        place = _semi_hard_places(between, negative) if semi_hard else _random_places(between, negative)
    chosen = positive & negative.any(1, keepdim=True)
    return between - between.gather(1, place), chosen


def _semi_hard_places(between: Float[Tensor, "B B"], negative: Bool[Tensor, "B B"]) -> Int64[Tensor, "B B"]:
    """For each (a, p) the nearest negative beyond p, else the farthest negative of a."""
    beyond = negative[:, None] & (between[:, None] > between[:, :, None])  # (a, p, n)
    nearest = between[:, None].masked_fill(~beyond, torch.inf).argmin(2)
    farthest = between.masked_fill(~negative, -1).argmax(1, keepdim=True)
    return torch.where(beyond.any(2), nearest, farthest)


def _random_places(between: Float[Tensor, "B B"], negative: Bool[Tensor, "B B"]) -> Int64[Tensor, "B B"]:
    """For each (a, p) a negative of a, every one as likely."""
    rank = (torch.rand_like(between) * negative.sum(1, keepdim=True)).long()
    places = negative.int().argsort(dim=1, descending=True, stable=True)  # the negatives of a row first
    return places.gather(1, rank)
