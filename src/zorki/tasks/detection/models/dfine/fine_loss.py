"""D-FINE's loss: the set loss, with boxes of all layers on one matching, and losses of the distributions of edges."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from zorki.ops.boxes import cxcywh_to_xyxy, paired_iou
from zorki.tasks.detection.models.detr.set_loss import (
    MatchedPairs,
    SetLoss,
    in_every_layer,
    last_and_auxiliary,
    total,
)
from zorki.tasks.detection.models.dfine.distributions import (
    bin_offsets,
    distillation_loss,
    edge_bins,
    fine_grained_loss,
)
from zorki.tasks.detection.models.dfine.fine_decoder import FineDecoded
from zorki.tasks.detection.models.rtdetr.query_loss import Proposals
from zorki.tasks.detection.models.two_stage_detr.denoising import NoisyQueries
from zorki.tasks.detection.networks.target_assignment import GroundTruthBatch


@dataclass(frozen=True)
class FineLoss:
    """Classes are matched layer by layer; boxes and their distributions by the union of all matchings (GO-LSD).

    A query that another layer, or the proposal that it was, is matched to an object learns its box in every layer
    (Peng et al., 2024, section 4.2), so that layers do not disagree, and each object has several queries. Layers before
    the last learn its distributions.

    Args:
        set_loss: matching, classes, distance and overlap.
        fine_grained: weight of FGL.
        distillation: weight of DDF.
    """

    set_loss: SetLoss
    fine_grained: float = 0.15
    distillation: float = 1.5

    def __call__(
        self,
        decoded: FineDecoded,
        proposals: Proposals | None,
        shares: Float[Tensor, "B M 4"],
        ground_truths: GroundTruthBatch,
    ) -> dict[str, Tensor]:
        """As of `QueryLoss`, with "fine_grained" of the last layer and "distillation" of all before it."""
        logits, boxes = decoded.logits, decoded.boxes.clamp(0, 1)
        pairs = self.set_loss.match(logits, boxes, shares, ground_truths)
        chosen = None if proposals is None else self._chosen(proposals, shares, ground_truths)
        union = union_of_pairs([pairs] if chosen is None else [pairs, chosen], logits.shape[2], shares.shape[1])
        objects, count = max(1, int(ground_truths.present.sum())), max(1, len(union.query))
        layers = {
            "classes": self.set_loss.class_losses(logits, boxes, shares, ground_truths, pairs, objects),
            **self.set_loss.box_losses(boxes, shares, in_every_layer(union, len(logits)), count),
        }
        fine, taught = self._edge_losses(decoded, boxes, shares, union, count, torch.ones_like(boxes[0, ..., 0]).bool())
        losses = last_and_auxiliary({**layers, "fine_grained": fine}) | {"distillation": taught}
        if proposals is not None and chosen is not None:
            losses["proposals"] = self._proposal_loss(proposals, shares, ground_truths, chosen, union)
        return losses

    def of_noisy(
        self, noisy: NoisyQueries, decoded: FineDecoded, shares: Float[Tensor, "B M 4"], ground_truths: GroundTruthBatch
    ) -> Float[Tensor, ""]:
        """Distributions of queries that are not there, of images with fewer objects, teach nothing."""
        boxes = decoded.boxes.clamp(0, 1)
        pairs = noisy.pairs(1)
        fine, taught = self._edge_losses(decoded, boxes, shares, pairs, max(1, len(pairs.query)), noisy.present)
        return noisy.loss(self.set_loss, decoded.logits, boxes, shares, ground_truths) + fine.sum() + taught

    def _chosen(
        self, proposals: Proposals, shares: Float[Tensor, "B M 4"], ground_truths: GroundTruthBatch
    ) -> MatchedPairs:
        return self.set_loss.match(proposals.logits[None], proposals.boxes[None], shares, ground_truths)

    def _proposal_loss(
        self,
        proposals: Proposals,
        shares: Float[Tensor, "B M 4"],
        ground_truths: GroundTruthBatch,
        chosen: MatchedPairs,
        union: MatchedPairs,
    ) -> Float[Tensor, ""]:
        logits, boxes = proposals.logits[None], proposals.boxes[None]
        objects = max(1, int(ground_truths.present.sum()))
        classes = self.set_loss.class_losses(logits, boxes, shares, ground_truths, chosen, objects)
        return total({"classes": classes, **self.set_loss.box_losses(boxes, shares, union, max(1, len(union.query)))})

    def _edge_losses(
        self,
        decoded: FineDecoded,
        boxes: Float[Tensor, "P B Q 4"],
        shares: Float[Tensor, "B M 4"],
        pairs: MatchedPairs,
        count: int,
        present: Bool[Tensor, "B Q"],
    ) -> tuple[Float[Tensor, " P"], Float[Tensor, ""]]:
        """FGL of every layer, 0 of the first's own box, and DDF of the layers before the last; weighted."""
        edges = decoded.edges.unflatten(-1, (4, -1))
        place, right = (pairs.image, pairs.query), shares[pairs.image, pairs.row]
        with torch.no_grad():
            offsets = bin_offsets(edges.device)
            lower, share = edge_bins(decoded.start[place], right, offsets)
            own = cxcywh_to_xyxy(boxes[1:, pairs.image, pairs.query])
            quality = paired_iou(own, right.expand_as(own))
            matched = torch.zeros_like(present).index_put(place, torch.ones_like(pairs.image).bool())
            best = decoded.logits[-1].sigmoid().amax(-1)
        several = len(edges)
        fine = fine_grained_loss(
            edges[:, pairs.image, pairs.query], lower.expand(several, -1, -1), share.expand(several, -1, -1), quality
        )
        taught = edges.sum() * 0
        for layer in range(several - 1):
            weight = best.index_put(place, quality[layer])
            taught = taught + distillation_loss(edges[layer], edges[-1], weight, matched, present & ~matched)
        fine = torch.cat([fine.new_zeros(1), fine.sum(-1) / count])
        return self.fine_grained * fine, self.distillation * taught


def union_of_pairs(matchings: list[MatchedPairs], queries: int, most: int) -> MatchedPairs:
    """All queries that any layer matched, each with the object that it was matched to most often; of equals the first.

    Args:
        matchings: of layers.
        queries: Q, in an image.
        most: M, the number of rows of objects.
    """
    pairs = torch.cat([(one.image * queries + one.query) * most + one.row for one in matchings])
    different, counts = pairs.unique(return_counts=True)
    different = different[counts.argsort(descending=True, stable=True)]
    owners, which = torch.div(different, most, rounding_mode="floor").unique(return_inverse=True)
    rank = torch.arange(len(different), device=pairs.device)
    first = torch.full_like(owners, len(different)).scatter_reduce(0, which, rank, "amin")
    image = torch.div(owners, queries, rounding_mode="floor")
    return MatchedPairs(torch.zeros_like(owners), image, owners % queries, different[first] % most)
