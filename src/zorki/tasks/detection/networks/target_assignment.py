"""Which anchor, or which point, learns which box: for all images of a batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from zorki.ops.boxes import box_area, intersection
from zorki.ops.matching import BACKGROUND, IGNORED, claim_anchors
from zorki.tasks.detection.networks.detector import learnable
from zorki.types import Boxes

# Pairs of boxes and anchors that are compared at once: tables of some 64 megabytes.
_MAX_PAIRS = 1 << 24


@dataclass
class GroundTruthBatch:
    """The boxes that a batch learns from, as many rows for each image; those that are `present` count."""

    xyxy: Float[Tensor, "B M 4"]
    labels: Int[Tensor, "B M"]
    present: Bool[Tensor, "B M"]

    def of(self, owner: Int[Tensor, "B N"]) -> Int[Tensor, "B N"]:
        """The labels of owners; BACKGROUND where there is none."""
        labels = self.labels.gather(1, owner.clamp_min(0))
        return torch.where(owner >= 0, labels, BACKGROUND)

    def repeated(self, times: int) -> GroundTruthBatch:
        """Each row so many times, for matching an object to several predictions (Jia et al., 2023: H-DETR)."""
        columns = (self.xyxy, self.labels, self.present)
        return GroundTruthBatch(*(column.repeat_interleave(times, 1) for column in columns))


def stack_ground_truths(targets: Sequence[Boxes], device: torch.device | None = None) -> GroundTruthBatch:
    """The learnable boxes of each image, filled up to one length, at least 1; one copy to the device."""
    boxes = [learnable(target) for target in targets]
    longest = max([1, *map(len, boxes)])
    xyxy = torch.zeros(len(boxes), longest, 4)
    labels = torch.zeros(len(boxes), longest, dtype=torch.int64)
    present = torch.zeros(len(boxes), longest, dtype=torch.bool)
    for row, one in enumerate(boxes):
        xyxy[row, : len(one)] = one.xyxy
        labels[row, : len(one)] = one.labels
        present[row, : len(one)] = True
    return GroundTruthBatch(xyxy.to(device), labels.to(device), present.to(device))


@torch.no_grad()
def match_anchors(
    anchors: Float[Tensor, "N 4"], ground_truths: GroundTruthBatch, low: float, high: float, *, claim: bool = True
) -> Int[Tensor, "B N"]:
    """For each anchor in each image the box that it learns, BACKGROUND, or IGNORED (Ren et al., 2015, section 3.1.2).

    Args:
        low, high: below `low` an anchor is background, from `high` on it learns the box that it overlaps most.
        claim: every box gets the anchors that overlap it most, whatever the thresholds say, as long as they overlap
            at all; such an anchor learns its own best box, as torchvision's "low quality matches" do.
    """
    owners = []
    for part in portions(ground_truths, len(anchors)):
        iou = _overlaps(part, anchors)
        best, owner = iou.max(1)
        matched = torch.where(best >= high, owner, torch.where(best < low, BACKGROUND, IGNORED))
        if claim:
            highest = iou.amax(2, keepdim=True)
            # A box that overlaps no anchor at all claims none.
            claimed = (iou == highest.masked_fill(highest <= 0, 2)).any(1)
            matched = torch.where(claimed, owner, matched)
        owners.append(matched)
    return torch.cat(owners)


@torch.no_grad()
def match_each(anchors: Float[Tensor, "N 4"], ground_truths: GroundTruthBatch, least: float) -> Int[Tensor, "B N"]:
    """For each anchor in each image the box that it learns, or BACKGROUND, so that each box is learned.

    Each box claims an anchor of its own, see `claim_anchors`; each other anchor learns the box that it overlaps most,
    where by at least `least` (Liu et al., 2016, section 2.2).
    """
    owners = []
    for part in portions(ground_truths, len(anchors)):
        iou = _overlaps(part, anchors)
        best, owner = iou.max(1)
        claimed = claim_anchors(iou)
        owners.append(torch.where(claimed >= 0, claimed, torch.where(best >= least, owner, BACKGROUND)))
    return torch.cat(owners)


def _overlaps(ground_truths: GroundTruthBatch, anchors: Float[Tensor, "N 4"]) -> Float[Tensor, "B M N"]:
    """Intersection over union; -1 for boxes that are not present."""
    shared = intersection(ground_truths.xyxy[:, :, None], anchors)
    union = (box_area(ground_truths.xyxy)[:, :, None] + box_area(anchors)).sub_(shared)
    iou = shared.div_(union.clamp_min_(torch.finfo(union.dtype).tiny))
    return iou.masked_fill_(~ground_truths.present[:, :, None], -1)


@torch.no_grad()
def match_points(
    points: Float[Tensor, "N 2"],
    least: Float[Tensor, " N"],
    most: Float[Tensor, " N"],
    radius: Float[Tensor, " N"],
    ground_truths: GroundTruthBatch,
) -> Int[Tensor, "B N"]:
    """For each point in each image the box that it learns, or BACKGROUND (Tian et al., 2019, section 3.1 and 3.2).

    A point learns a box that it lies in and near whose center it is, if the furthest side of the box is at a distance
    that suits the point's level; of several such boxes the smallest.

    Args:
        least, most: the furthest side's distance in pixels, both not included.
        radius: in pixels; nearer to the center than this in both x and y. The paper's second version (Tian et al.,
            2020) has 1.5 strides.
    """
    owners = []
    for part in portions(ground_truths, len(points)):
        box = part.xyxy[:, :, None]
        low, high = points - box[..., :2], box[..., 2:] - points
        nearest = torch.minimum(low, high).amin(-1)
        furthest = torch.maximum(low, high).amax(-1)
        off_center = (low - high).abs_().amax(-1) / 2
        fits = (nearest > 0) & (furthest > least) & (furthest < most) & (off_center < radius) & part.present[:, :, None]
        area = torch.where(fits, box_area(part.xyxy)[:, :, None], torch.inf)
        smallest, owner = area.min(1)
        owners.append(torch.where(smallest < torch.inf, owner, BACKGROUND))
    return torch.cat(owners)


def portions(ground_truths: GroundTruthBatch, places: int) -> list[GroundTruthBatch]:
    """The boxes of as many images at a time as can be compared with so many places at once."""
    images = max(1, _MAX_PAIRS // max(1, places * ground_truths.xyxy.shape[1]))
    columns = (column.split(images) for column in (ground_truths.xyxy, ground_truths.labels, ground_truths.present))
    return [GroundTruthBatch(*part) for part in zip(*columns, strict=True)]
