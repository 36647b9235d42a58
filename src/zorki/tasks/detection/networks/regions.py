"""Training and prediction by regions: which to learn from, what they cost, what boxes they give.

The ground of R-CNN, SPP-net, Fast R-CNN, Faster R-CNN and Mask R-CNN. A head on regions has `num_classes` + 1 slots:
the first is for background, label k has slot k + 1, as in torchvision's published weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from zorki.ops.box_coder import decode_offsets, encode_offsets
from zorki.ops.boxes import clip_boxes, is_large_enough, pairwise_iou
from zorki.ops.matching import sample_balanced
from zorki.ops.roi import join_regions
from zorki.tasks.detection.networks.detector import learnable
from zorki.types import Boxes, Placement

Weights = tuple[float, float, float, float]

# Girshick (2015) normalizes offsets to unit variance: deviations of 0.1 for centers and 0.2 for sizes.
OFFSET_WEIGHTS: Weights = (10, 10, 5, 5)

# Where smooth L1 turns from a parabola to a line, as in torchvision.
SMOOTH_L1_BETA = 1 / 9

# In pixels: boxes with a shorter side are dropped, as in torchvision.
MIN_SIDE = 1e-2


@dataclass
class SampledRegions:
    """Regions of a batch to learn from, image after image.

    `regions` are xyxy in network pixels, `images` their places in the batch. `labels` run 0..num_classes, where
    num_classes means background. `offsets` (weighted) and `owners` (the row among the image's learnable boxes) hold
    where `positive`; elsewhere they are 0 and -1.
    """

    regions: Float[Tensor, "N 4"]
    images: Int[Tensor, " N"]
    labels: Int[Tensor, " N"]
    offsets: Float[Tensor, "N 4"]
    positive: Bool[Tensor, " N"]
    owners: Int[Tensor, " N"]

    def __len__(self) -> int:
        return len(self.regions)


def sample_regions(
    regions: Sequence[Tensor],
    targets: Sequence[Boxes],
    *,
    num_classes: int,
    count: int = 512,
    positive_share: float = 0.25,
    foreground_iou: float = 0.5,
    background_iou: tuple[float, float] = (0.0, 0.5),
    add_ground_truth: bool = True,
    weights: Weights = OFFSET_WEIGHTS,
) -> SampledRegions:
    """Random regions of each image with their targets (Girshick, 2015, section 2.3).

    Each region owns the box that it overlaps most. It is positive from an IoU of `foreground_iou`, background within
    `background_iou` (from the first, below the second), and else not learned from. In images without a box every
    region below the second is background.

    Args:
        regions: xyxy in network pixels, one tensor an image.
        targets: in network pixels; crowds and boxes without an area are left out.
        count: regions an image, at most.
        positive_share: of `count`, at most.
        add_ground_truth: the boxes themselves join the regions, so that the first steps have something to find.
        weights: of the four offsets.
    """
    chosen, owners, labels, target_boxes = [], [], [], []
    for rows, target in zip(regions, targets, strict=True):
        ground_truth = learnable(target, rows.device)
        xyxy = ground_truth.xyxy.to(rows.dtype)
        candidates = torch.cat([rows, xyxy]) if add_ground_truth else rows
        # A region without an area has no offsets.
        candidates = candidates[is_large_enough(candidates, MIN_SIDE)]
        best, owner = _most_overlapping(candidates, xyxy)
        low = background_iou[0] if len(xyxy) else 0.0
        is_positive = (best >= foreground_iou) & (owner >= 0)
        is_negative = (best >= low) & (best < background_iou[1]) & ~is_positive
        positive, negative = sample_balanced(is_positive, is_negative, count, positive_share)
        chosen.append(candidates[torch.cat([positive, negative])])
        owners.append(torch.cat([owner[positive], torch.full_like(negative, -1)]))
        labels.append(torch.cat([ground_truth.labels[owner[positive]].long(), torch.full_like(negative, num_classes)]))
        target_boxes.append(torch.cat([xyxy[owner[positive]], candidates[negative]]))
    joined, images = join_regions(chosen)
    offsets = encode_offsets(joined, torch.cat(target_boxes), weights)
    owner = torch.cat(owners)
    return SampledRegions(joined, images, torch.cat(labels), offsets, owner >= 0, owner)


def _most_overlapping(regions: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """For each region its highest IoU and the box that has it; 0 and -1 where there is no box."""
    if len(boxes) == 0:
        return regions.new_zeros(len(regions)), torch.full((len(regions),), -1, device=regions.device)
    best, owner = pairwise_iou(regions, boxes).max(1)
    return best, owner


def region_losses(
    logits: Float[Tensor, "N S"], offsets: Float[Tensor, "N _"], sampled: SampledRegions
) -> dict[str, Float[Tensor, ""]]:
    """Cross entropy over classes and background, and smooth L1 on the offsets (Girshick, 2015, equation 1).

    The second counts positive regions alone, and is divided by the count of all regions, so that its weight does not
    hang on how many are positive. Zero, with a gradient of zero, where there is no region.

    Args:
        logits: of num_classes + 1 slots, background first.
        offsets: 4 a slot, of which the true class's learn, or 4 for all classes together.
    """
    logits, offsets = logits.float(), offsets.float()
    slots = slots_of(sampled.labels, logits.shape[1])
    divisor = max(1, len(sampled))
    classes = functional.cross_entropy(logits, slots, reduction="sum") / divisor
    rows = sampled.positive.nonzero()[:, 0]
    found = offsets.unflatten(1, (-1, 4))[rows, slots[rows] if offsets.shape[1] > 4 else 0]
    boxes = functional.smooth_l1_loss(found, sampled.offsets[rows], beta=SMOOTH_L1_BETA, reduction="sum") / divisor
    return {"classes": classes, "boxes": boxes}


def slots_of(labels: Int[Tensor, " N"], num_slots: int) -> Int[Tensor, " N"]:
    """Where labels 0..num_slots - 1, of which the last is background, stand in a head: background first."""
    return (labels + 1) % num_slots


def decode_regions(
    logits: Float[Tensor, "N S"],
    offsets: Float[Tensor, "N _"],
    regions: Float[Tensor, "N 4"],
    *,
    weights: Weights = OFFSET_WEIGHTS,
) -> tuple[Float[Tensor, "N K 4"], Float[Tensor, "N K"]]:
    """For every region and class a box in network pixels, and the class's softmax probability; background left out."""
    scores = logits.float().softmax(1)[:, 1:]
    each = offsets.float().unflatten(1, (-1, 4))
    each = each[:, 1:] if each.shape[1] > 1 else each
    xyxy = decode_offsets(regions.float()[:, None], each, weights)
    return xyxy.expand(-1, scores.shape[1], -1), scores


def region_candidates(
    logits: Float[Tensor, "N S"],
    offsets: Float[Tensor, "N _"],
    regions: Float[Tensor, "N 4"],
    images: Int[Tensor, " N"],
    *,
    num_images: int,
    height: int,
    width: int,
    min_score: float,
    weights: Weights = OFFSET_WEIGHTS,
) -> list[Boxes]:
    """The boxes of each image that score above `min_score`, before NMS, in network pixels.

    They are cut off at the edges of the network's input of `height` x `width` pixels; what is then narrower than a
    hundredth of a pixel is left out.
    """
    scores = logits.float().softmax(1)[:, 1:]
    row, label = (scores > min_score).nonzero(as_tuple=True)
    # Of a thousand regions and a hundred classes, few pairs score: only these are decoded.
    chosen = offsets.unflatten(1, (-1, 4))[row, label + 1 if offsets.shape[1] > 4 else 0].float()
    found = clip_boxes(decode_offsets(regions[row].float(), chosen, weights), height, width)
    whole = is_large_enough(found, MIN_SIDE)
    row, label, found = row[whole], label[whole], found[whole]
    score, image = scores[row, label], images[row]
    predictions = []
    for index in range(num_images):
        mine = image == index
        predictions.append(Boxes(found[mine], label[mine], score[mine]))
    return predictions


def inside_image(boxes: Boxes, placement: Placement) -> Boxes:
    """Boxes in network pixels, cut off at the edges of the image that lies there; those wholly outside are left out.

    Boxes in the gray border around an image must not suppress boxes in the image.
    """
    low, high = (boxes.xyxy.new_tensor(corner * 2) for corner in (placement.frame[:2], placement.frame[2:]))
    cut = dataclasses.replace(boxes, xyxy=boxes.xyxy.maximum(low).minimum(high))
    return cut[is_large_enough(cut.xyxy, MIN_SIDE)]
