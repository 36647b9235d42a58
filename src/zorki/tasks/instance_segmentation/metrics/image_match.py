"""One image's masks beside their truth: what was found, what was missed, and what is not there."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from zorki.ops.mask_pixels import MaskPixels
from zorki.tasks.detection.metrics.image_match import FOUND_IOU, Judged, judge
from zorki.types import Instances


def judge_masks(prediction: Instances, truth: Instances, min_iou: float = FOUND_IOU) -> Judged:
    """In falling score, each mask takes the object of its class that it overlaps most, of those not yet taken.

    Raises:
        ValueError: masks of the two differ in size.
    """
    found, wanted = MaskPixels.of(prediction.masks), MaskPixels.of(truth.masks)
    iou, covered = pairwise_overlap(found, wanted)
    return judge(prediction, truth, iou, covered, min_iou)


def pairwise_overlap(a: MaskPixels, b: MaskPixels) -> tuple[Float[Tensor, "N M"], Float[Tensor, "N M"]]:
    """Intersection over union of masks, and the share of each of the first ones that lies in each of the others.

    Both are 0 for a mask without pixels.
    """
    first, second, pixels = (torch.from_numpy(column) for column in a.shared_with(b))
    size, other = (torch.from_numpy(one.areas()) for one in (a, b))
    iou, covered = torch.zeros(a.count, b.count), torch.zeros(a.count, b.count)
    iou[first, second] = (pixels / (size[first] + other[second] - pixels)).float()
    covered[first, second] = (pixels / size[first]).float()
    return iou, covered
