"""The masks of several models made into one prediction."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from zorki.ops.mask_pixels import MaskPixels
from zorki.ops.packing import tight_boxes
from zorki.tasks.detection.fusion import MIN_SCORE, SAME_IOU
from zorki.tasks.instance_segmentation.metrics.image_match import pairwise_overlap
from zorki.types import Instances


def fuse_masks(predictions: Sequence[Instances], same_iou: float = SAME_IOU) -> Instances:
    """Weighted boxes fusion (Solovyev et al., 2021), with masks: those on one object vote on its pixels.

    In falling score, a mask joins the group of its class whose first mask it overlaps most, where by more than
    `same_iou`, or founds one; the paper compares boxes with the mean of a group, and masks have none. A pixel is the
    object's where masks with at least half of the group's scores say so. A group's score is the mean of its members',
    times min(members, models) / models: what few models see counts less.

    Returns:
        Masks with scores and tight boxes, best first; masks below a score of 0.01, and without a pixel, are left out.

    Raises:
        ValueError: there is no prediction, one has no scores, or their masks differ in size.
    """
    labels, scores, masks = _falling(predictions)
    group = _groups(labels, masks, same_iou)
    count = int(group.max()) + 1 if len(group) else 0
    votes = torch.zeros((count, *masks.shape[1:]))
    for row, number in enumerate(group.tolist()):  # one after the other: weighted masks are four times as large
        votes[number] += scores[row] * masks[row]
    weight = torch.zeros(count).index_add_(0, group, scores)
    members = torch.bincount(group, minlength=count)
    joined = votes >= weight[:, None, None] / 2
    score = weight / members * members.clamp_max(len(predictions)) / len(predictions)
    first = torch.zeros(count, dtype=torch.int64).scatter_reduce_(
        0, group, torch.arange(len(group)), "amin", include_self=False
    )
    fused = Instances(tight_boxes(joined), labels[first], joined, score)
    return fused[score.argsort(descending=True, stable=True)]


def _falling(
    predictions: Sequence[Instances],
) -> tuple[Int[Tensor, " N"], Float[Tensor, " N"], Bool[Tensor, "N H W"]]:
    """All labels, scores and masks, best first."""
    if not predictions:
        raise ValueError("no predictions to fuse; expected those of one model at least")
    kept = []
    for one in predictions:
        if one.scores is None:
            raise ValueError("masks to fuse need scores; these are ground truth")
        kept.append(one[(one.scores >= MIN_SCORE) & one.masks.flatten(1).any(1)])
    sizes = {tuple(one.masks.shape[1:]) for one in predictions}
    if len(sizes) > 1:
        raise ValueError(f"masks of one image have different sizes: {sorted(sizes)}")
    scores = torch.cat([one.scores.float().cpu() for one in kept if one.scores is not None])
    order = scores.argsort(descending=True, stable=True)
    labels = torch.cat([one.labels.cpu() for one in kept])
    return labels[order], scores[order], torch.cat([one.masks.cpu() for one in kept])[order]


def _groups(labels: Int[Tensor, " N"], masks: Bool[Tensor, "N H W"], same_iou: float) -> Int[Tensor, " N"]:
    """The number of each mask's group; groups are numbered as they are founded."""
    pixels = MaskPixels.of(masks)
    iou, _ = pairwise_overlap(pixels, pixels)
    iou *= labels[:, None] == labels[None]
    group = torch.zeros(len(labels), dtype=torch.int64)
    founders: list[int] = []
    for row in range(len(labels)):
        best, place = iou[row, founders].max(0) if founders else (torch.tensor(0.0), torch.tensor(0))
        if float(best) > same_iou:
            group[row] = place
        else:
            group[row] = len(founders)
            founders.append(row)
    return group
