"""One image's masks beside their ground truth: what was found, what was missed, and what is not there."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from zorki.ops.mask_pixels import MaskPixels
from zorki.tasks.detection.metrics.image_match import FOUND_IOU, ImageMatch, match_image
from zorki.types import Instances


def match_masks(prediction: Instances, ground_truth: Instances, min_iou: float = FOUND_IOU) -> ImageMatch:
    """In falling score, each mask takes the object of its class that it overlaps most, of those not yet taken.

    Raises:
        ValueError: masks of the two differ in size.
    """
    detected, ground_truths = MaskPixels.of(prediction.masks), MaskPixels.of(ground_truth.masks)
    iou, covered = pairwise_overlap(detected, ground_truths)
    return match_image(prediction, ground_truth, iou, covered, min_iou)


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
