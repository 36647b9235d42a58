"""Boxes as tensors: sizes, overlaps, forms. xyxy is (left, top, right, bottom), cxcywh center and size, in pixels."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def box_area(xyxy: Float[Tensor, "*_ 4"]) -> Float[Tensor, "*_"]:
    """Width times height; 0 for inverted boxes."""
    size = (xyxy[..., 2:] - xyxy[..., :2]).clamp_min(0)
    return size[..., 0] * size[..., 1]


def xyxy_to_cxcywh(xyxy: Float[Tensor, "*_ 4"]) -> Float[Tensor, "*_ 4"]:
    low, high = xyxy[..., :2], xyxy[..., 2:]
    return torch.cat([(low + high) / 2, high - low], -1)


def cxcywh_to_xyxy(cxcywh: Float[Tensor, "*_ 4"]) -> Float[Tensor, "*_ 4"]:
    center, half = cxcywh[..., :2], cxcywh[..., 2:] / 2
    return torch.cat([center - half, center + half], -1)


def clip_boxes(xyxy: Float[Tensor, "*_ 4"], height: float, width: float) -> Float[Tensor, "*_ 4"]:
    """The boxes cut off at the edges of an image of that size."""
    x, y = xyxy[..., 0::2].clamp(0, width), xyxy[..., 1::2].clamp(0, height)
    return torch.stack([x, y], -1).flatten(-2)


def intersection(a: Float[Tensor, "*_ 4"], b: Float[Tensor, "*_ 4"]) -> Float[Tensor, "*_"]:
    """The area that broadcasting pairs of boxes share."""
    size = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp_min(0)
    return size[..., 0] * size[..., 1]


def pairwise_iou(a: Float[Tensor, "N 4"], b: Float[Tensor, "M 4"]) -> Float[Tensor, "N M"]:
    """Intersection over union of xyxy boxes; 0 where both are empty.

    torchvision's `box_iou` takes as long, but has NaN there (`python benchmarks/losses.py`).
    """
    shared = intersection(a[:, None], b[None])
    union = box_area(a)[:, None] + box_area(b)[None] - shared
    return shared / union.clamp_min(torch.finfo(union.dtype).tiny)


def paired_iou(a: Float[Tensor, "*N 4"], b: Float[Tensor, "*N 4"]) -> Float[Tensor, "*N"]:
    """Intersection over union of boxes in pairs; 0 where both are empty."""
    shared = intersection(a, b)
    union = box_area(a) + box_area(b) - shared
    return shared / union.clamp_min(torch.finfo(union.dtype).tiny)


def generalized_iou(a: Float[Tensor, "*_ 4"], b: Float[Tensor, "*_ 4"]) -> Float[Tensor, "*_"]:
    """GIoU (Rezatofighi et al., 2019, algorithm 1) of broadcasting pairs: IoU less the share of the hull that is bare.

    In (-1, 1]. A pair of empty boxes in one place has 0; torchvision's `generalized_box_iou` takes as long, but has NaN
    there, and knows no other pairs than all (`python benchmarks/losses.py`).
    """
    tiny = torch.finfo(a.dtype).tiny
    shared = intersection(a, b)
    union = box_area(a) + box_area(b) - shared
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).clamp_min(0)
    hull_area = hull[..., 0] * hull[..., 1]
    return shared / union.clamp_min(tiny) - (hull_area - union) / hull_area.clamp_min(tiny)


def is_large_enough(xyxy: Float[Tensor, "*_ 4"], least: float) -> Bool[Tensor, "*_"]:
    """Whether both sides are at least `least` pixels."""
    return ((xyxy[..., 2:] - xyxy[..., :2]) >= least).all(-1)


def nms(
    xyxy: Float[Tensor, "N 4"], scores: Float[Tensor, " N"], groups: Int[Tensor, " N"], max_iou: float
) -> Int[Tensor, " M"]:
    """Non-maximum suppression within each group (class, level or image): rows that stay, best first.

    Greedy as in Girshick et al. (2013), section 2.2: a box goes where it overlaps a better one of its group by more
    than `max_iou`.
    """
    from torchvision.ops import batched_nms  # takes seconds to import; many uses of boxes need it not

    return batched_nms(xyxy.float(), scores.float(), groups, max_iou)
