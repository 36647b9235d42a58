"""Which prediction is about which annotated object: the same box, or boxes that overlap."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from zorki.ops.boxes import pairwise_iou
from zorki.types import Keypoints

MIN_OVERLAP = 0.5  # IoU of boxes that are about one object


def match_objects(prediction: Keypoints, target: Keypoints) -> Int64[Tensor, " N"]:
    """For each annotated object the row of its prediction, -1 where there is none.

    Where the network was given the annotated boxes, their rows are the same. Boxes of a detector are assigned so that
    their overlaps are largest in sum (Kuhn, 1955); an IoU below .5 is no match.
    """
    if prediction.xyxy is None or target.xyxy is None or _same(prediction.xyxy, target.xyxy):
        rows = torch.arange(len(target))
        return torch.where(rows < len(prediction), rows, -1)
    from scipy.optimize import linear_sum_assignment

    found = torch.full((len(target),), -1, dtype=torch.int64)
    overlaps = pairwise_iou(target.xyxy, prediction.xyxy)
    for first, second in zip(*linear_sum_assignment(np.asarray(-overlaps)), strict=True):
        if overlaps[first, second] >= MIN_OVERLAP:
            found[first] = int(second)
    return found


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(torch.equal(a, b))
