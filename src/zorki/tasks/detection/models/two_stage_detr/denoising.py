"""Denoising (Li et al., 2022: DN-DETR; Zhang et al., 2023: DINO): boxes with noise are given, and are put right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from zorki.ops.boxes import xyxy_to_cxcywh
from zorki.tasks.detection.models.detr.set_loss import MatchedPairs, SetLoss, in_every_layer, total
from zorki.tasks.detection.networks.target_assignment import GroundTruthBatch

ABSENT = -20.0  # the logit of what is certainly no object


@dataclass
class NoisyQueries:
    """G groups of queries an image: in each, every object once near its place, and once farther off.

    Attributes:
        boxes: cxcywh in shares of the image, with noise.
        labels: some of them wrong.
        target: the row of the object that a query is to predict; -1 for those farther off, which predict no object.
        present: False where the image has fewer objects than the batch's fullest.
        group: 0..G-1, of each query.
    """

    boxes: Float[Tensor, "B Q 4"]
    labels: Int[Tensor, "B Q"]
    target: Int[Tensor, "B Q"]
    present: Bool[Tensor, "B Q"]
    group: Int[Tensor, " Q"]

    def visible(self) -> Bool[Tensor, "B Q Q"]:
        """Which queries each one may look at: those of its own group that are present, and itself."""
        itself = torch.eye(len(self.group), dtype=torch.bool, device=self.group.device)
        return (self.group == self.group[:, None]) & self.present[:, None] | itself

    def pairs(self, layers: int) -> MatchedPairs:
        """Queries with the object that they know, the same in every layer."""
        image, query = ((self.target >= 0) & self.present).nonzero(as_tuple=True)
        return in_every_layer(MatchedPairs(torch.zeros_like(image), image, query, self.target[image, query]), layers)

    def loss(
        self,
        set_loss: SetLoss,
        logits: Float[Tensor, "L B Q K"],
        boxes: Float[Tensor, "L B Q 4"],
        shares: Float[Tensor, "B M 4"],
        ground_truths: GroundTruthBatch,
    ) -> Float[Tensor, ""]:
        """Of what L layers made of the queries, each of which knows the object that it is to predict.

        Args:
            boxes: cxcywh in shares of the image.
            shares: the objects' boxes, xyxy in shares of the image.
        """
        logits = logits.masked_fill(~self.present[:, :, None], ABSENT)
        pairs = self.pairs(len(logits))
        count = max(1, len(pairs.query) // len(logits))
        return total(set_loss.of_pairs(logits, boxes, shares, ground_truths, pairs, count))


@dataclass(frozen=True)
class Denoising:
    """How queries are made of the objects of an image (Zhang et al., 2023, section 3.3).

    Args:
        groups: G.
        box_noise: 1 moves the edges of queries near their object by up to half of its size; those farther off by up to
            as much again.
        label_noise: probability that a label is drawn anew.
    """

    groups: int = 5
    box_noise: float = 0.4
    label_noise: float = 0.25

    def queries(
        self, xyxy: Float[Tensor, "B M 4"], labels: Int[Tensor, "B M"], present: Bool[Tensor, "B M"], num_classes: int
    ) -> NoisyQueries:
        """Queries of the objects of a batch.

        Args:
            xyxy: in shares of the image.
            labels: 0..K-1.
            present: which rows are objects.
            num_classes: K.
        """
        images, most = labels.shape
        pairs = 2 * self.groups
        far = torch.arange(pairs, device=xyxy.device).remainder(2).repeat_interleave(most)
        size = (xyxy[..., 2:] - xyxy[..., :2]).repeat(1, pairs, 2)
        shift = torch.rand_like(size) + far[:, None]
        sign = torch.randint_like(size, 2) * 2 - 1
        noisy = (xyxy.repeat(1, pairs, 1) + sign * shift * size / 2 * self.box_noise).clamp(0, 1)
        low, high = noisy[..., :2].minimum(noisy[..., 2:]), noisy[..., :2].maximum(noisy[..., 2:])
        drawn = torch.randint(num_classes, (images, pairs * most), device=labels.device)
        wrong = torch.rand(images, pairs * most, device=labels.device) < self.label_noise
        rows = torch.arange(most, device=labels.device).repeat(pairs)
        return NoisyQueries(
            xyxy_to_cxcywh(torch.cat([low, high], -1)),
            torch.where(wrong, drawn, labels.repeat(1, pairs)),
            torch.where(far.bool(), -1, rows).expand(images, -1),
            present.repeat(1, pairs),
            torch.arange(self.groups, device=labels.device).repeat_interleave(2 * most),
        )
