"""Set prediction (Carion et al., 2020, section 3.1): predictions are matched to objects one to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from zorki.losses.giou import giou_loss
from zorki.losses.matchability import matchability_loss
from zorki.losses.varifocal import varifocal_loss
from zorki.ops.boxes import cxcywh_to_xyxy, generalized_iou, paired_iou, xyxy_to_cxcywh
from zorki.ops.matching import match_by_cost
from zorki.tasks.detection.networks.target_assignment import GroundTruthBatch

Classes = Literal["softmax", "focal", "varifocal", "matchability"]
QUALITY_LOSSES: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "varifocal": varifocal_loss,
    "matchability": matchability_loss,
}


@dataclass
class MatchedPairs:
    """The matched pairs: the layer, the image, the query, and the row of the object among the ground truths."""

    layer: Int[Tensor, " P"]
    image: Int[Tensor, " P"]
    query: Int[Tensor, " P"]
    row: Int[Tensor, " P"]


@dataclass(frozen=True)
class SetLoss:
    """The matching and the loss of predictions of L layers, each layer matched anew (sections 3.1 and 3.2).

    Args:
        num_classes: K. Logits have the slot of "no object" last where `classes` is "softmax", and none for "focal".
        classes: "softmax" is the paper's cross-entropy; "focal" asks for each class by itself, with the focal loss
            and its cost in the matching (Zhu et al., 2021: Deformable DETR); "varifocal" asks for the overlap of the
            box as well (Lv et al., 2023: RT-DETR, section 4.3), with the cost of "focal"; "matchability" does so, and
            matches whose boxes are bad still count as much (Huang et al., 2024: DEIM).
        distance: weight of the L1 distance of cxcywh boxes in shares of the image.
        overlap: weight of 1 - GIoU.
        nothing: the weight of queries without an object in the cross-entropy.
        focal: weight of the focal loss and of its cost; losses of "varifocal" and "matchability" weigh 1.
    """

    num_classes: int
    classes: Classes = "softmax"
    distance: float = 5.0
    overlap: float = 2.0
    nothing: float = 0.1
    focal: float = 2.0

    @torch.no_grad()
    def match(
        self,
        logits: Float[Tensor, "L B Q S"],
        boxes: Float[Tensor, "L B Q 4"],
        target_boxes: Float[Tensor, "B M 4"],
        ground_truths: GroundTruthBatch,
    ) -> MatchedPairs:
        """The pairs of least total cost in each layer and image (eq. 1).

        Args:
            logits: of the slots.
            boxes: cxcywh in shares of the image.
            target_boxes: xyxy in shares of the image, rows as those of `ground_truths`.
            ground_truths: labels, and which rows are present.
        """
        labels = ground_truths.labels[None, :, None].expand(*logits.shape[:3], -1)
        away = torch.cdist(boxes, xyxy_to_cxcywh(target_boxes).expand(len(boxes), -1, -1, -1), p=1)
        overlap = generalized_iou(cxcywh_to_xyxy(boxes)[:, :, :, None], target_boxes[None, :, None])
        cost = self._class_cost(logits).gather(-1, labels) + self.distance * away - self.overlap * overlap
        # One copy for all; and where training has diverged, the loss shall tell it and not the matching.
        tables = cost.nan_to_num(0.0, 0.0, 0.0).cpu()
        counts = ground_truths.present.sum(1).tolist()
        found = []
        for layer, images in enumerate(tables):
            for image, (table, count) in enumerate(zip(images, counts, strict=True)):
                query, row = match_by_cost(table[:, :count])
                place = torch.tensor([layer, image])[:, None].expand(-1, len(query))
                found.append(torch.cat([place, query[None], row[None]]))
        return MatchedPairs(*torch.cat(found, 1).to(logits.device))

    def __call__(
        self,
        logits: Float[Tensor, "L B Q S"],
        boxes: Float[Tensor, "L B Q 4"],
        target_boxes: Float[Tensor, "B M 4"],
        ground_truths: GroundTruthBatch,
    ) -> dict[str, Float[Tensor, " L"]]:
        """Classes, distance and overlap of every layer (eq. 2), weighted; arguments as of `match`.

        Distance, overlap and the focal loss are sums over the batch, divided by its number of boxes. Cross-entropy is
        the average over queries, weighted by `nothing`.
        """
        pairs = self.match(logits, boxes, target_boxes, ground_truths)
        return self.of_pairs(
            logits, boxes, target_boxes, ground_truths, pairs, max(1, int(ground_truths.present.sum()))
        )

    def of_pairs(
        self,
        logits: Float[Tensor, "L B Q S"],
        boxes: Float[Tensor, "L B Q 4"],
        target_boxes: Float[Tensor, "B M 4"],
        ground_truths: GroundTruthBatch,
        pairs: MatchedPairs,
        count: int,
    ) -> dict[str, Float[Tensor, " L"]]:
        """The same for pairs that are known; `count` is the number of boxes that sums are divided by."""
        classes = self.class_losses(logits, boxes, target_boxes, ground_truths, pairs, count)
        return {"classes": classes, **self.box_losses(boxes, target_boxes, pairs, count)}

    def class_losses(
        self,
        logits: Float[Tensor, "L B Q S"],
        boxes: Float[Tensor, "L B Q 4"],
        target_boxes: Float[Tensor, "B M 4"],
        ground_truths: GroundTruthBatch,
        pairs: MatchedPairs,
        count: int,
    ) -> Float[Tensor, " L"]:
        """Of the classes alone, for pairs that are known."""
        labels = torch.full_like(logits[..., 0], self.num_classes, dtype=torch.int64)
        labels[pairs.layer, pairs.image, pairs.query] = ground_truths.labels[pairs.image, pairs.row]
        predicted_boxes = boxes[pairs.layer, pairs.image, pairs.query]
        quality = self._quality(logits, predicted_boxes, target_boxes[pairs.image, pairs.row], pairs)
        return self._class_loss(logits, labels, quality, count)

    def box_losses(
        self, boxes: Float[Tensor, "L B Q 4"], target_boxes: Float[Tensor, "B M 4"], pairs: MatchedPairs, count: int
    ) -> dict[str, Float[Tensor, " L"]]:
        """Distance and overlap, for pairs that are known."""
        predicted_boxes = boxes[pairs.layer, pairs.image, pairs.query]
        right = target_boxes[pairs.image, pairs.row]
        away = (predicted_boxes - xyxy_to_cxcywh(right)).abs().sum(-1)
        apart = giou_loss(cxcywh_to_xyxy(predicted_boxes), right)
        zeros = boxes.new_zeros(len(boxes))
        return {
            "distance": self.distance * zeros.index_add(0, pairs.layer, away) / count,
            "overlap": self.overlap * zeros.index_add(0, pairs.layer, apart) / count,
        }

    def _quality(
        self,
        logits: Float[Tensor, "L B Q S"],
        boxes: Float[Tensor, "P 4"],
        right: Float[Tensor, "P 4"],
        pairs: MatchedPairs,
    ) -> Float[Tensor, "L B Q"] | None:
        """The IoU of each query's box with its object, 0 where it has none, where the loss asks for it."""
        if self.classes not in QUALITY_LOSSES:
            return None
        overlap = paired_iou(cxcywh_to_xyxy(boxes.detach()), right).to(logits.dtype)
        place = (pairs.layer, pairs.image, pairs.query)
        return torch.zeros_like(logits[..., 0]).index_put(place, overlap)

    def _class_cost(self, logits: Float[Tensor, "L B Q S"]) -> Float[Tensor, "L B Q S"]:
        if self.classes == "softmax":
            return -logits.softmax(-1)
        yes = _focal_loss(logits, torch.ones_like(logits))
        return self.focal * (yes - _focal_loss(logits, torch.zeros_like(logits)))

    def _class_loss(
        self,
        logits: Float[Tensor, "L B Q S"],
        labels: Int[Tensor, "L B Q"],
        quality: Float[Tensor, "L B Q"] | None,
        count: int,
    ) -> Float[Tensor, " L"]:
        if quality is not None:
            positive = functional.one_hot(labels, self.num_classes + 1)[..., :-1].bool()
            losses = QUALITY_LOSSES[self.classes](logits, positive, quality[..., None].expand_as(logits))
            return losses.sum((1, 2, 3)) / count
        if self.classes == "focal":
            right = functional.one_hot(labels, self.num_classes + 1)[..., :-1].float()
            return self.focal * _focal_loss(logits, right).sum((1, 2, 3)) / count
        surprise = functional.cross_entropy(logits.flatten(0, 2), labels.flatten(), reduction="none").view_as(labels)
        weights = torch.where(labels == self.num_classes, self.nothing, 1.0)
        return (surprise * weights).sum((1, 2)) / weights.sum((1, 2))


def in_every_layer(pairs: MatchedPairs, layers: int) -> MatchedPairs:
    """Pairs of a single layer, the same in so many."""
    layer = torch.arange(layers, device=pairs.image.device).repeat_interleave(len(pairs.image))
    return MatchedPairs(layer, *(column.repeat(layers) for column in (pairs.image, pairs.query, pairs.row)))


def last_and_auxiliary(layers: Mapping[str, Float[Tensor, " L"]]) -> dict[str, Tensor]:
    """The losses of the last layer, and the sum of all losses of those before it: "auxiliary"."""
    last = {name: values[-1] for name, values in layers.items()}
    return {**last, "auxiliary": torch.stack([values[:-1].sum() for values in layers.values()]).sum()}


def total(layers: Mapping[str, Float[Tensor, " L"]]) -> Float[Tensor, ""]:
    """The sum of all losses of all layers."""
    return torch.stack([values.sum() for values in layers.values()]).sum()


def _focal_loss(logits: Float[Tensor, "L B Q S"], target: Float[Tensor, "L B Q S"]) -> Float[Tensor, "L B Q S"]:
    from torchvision.ops import sigmoid_focal_loss  # takes seconds to import; the paper's loss needs it not

    loss: Tensor = sigmoid_focal_loss(logits, target)
    return loss
