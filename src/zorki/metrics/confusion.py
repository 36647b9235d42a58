"""Confusion matrices: how much of each class was taken for which."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int64
from torch import Tensor


def confusion(
    answer: Int64[Tensor, "H W"], truth: Int64[Tensor, "H W"], judged: Bool[Tensor, "H W"], num_classes: int
) -> Int64[Tensor, "K K"]:
    """How many judged pixels of each class (row) were taken for which (column).

    Raises:
        ValueError: a judged pixel has a label outside 0..K-1.
    """
    # What nobody judged counts as an answer 0 to a class of its own, the last row, which is cut off.
    answer, truth = answer.where(judged, 0), truth.where(judged, num_classes)
    for labels, most, whose in ((answer, num_classes - 1, "an answer"), (truth, num_classes, "the truth")):
        low, high = (int(bound) for bound in labels.aminmax()) if labels.numel() else (0, 0)
        if low < 0 or high > most:
            raise ValueError(f"{whose} has a label {low if low < 0 else high}; expected 0 to {num_classes - 1}")
    if bool((truth == num_classes).logical_and_(judged).any()):
        raise ValueError(f"the truth has a label {num_classes}; expected 0 to {num_classes - 1}")
    places = (truth * num_classes).add_(answer).flatten()
    return torch.bincount(places, minlength=num_classes * (num_classes + 1)).view(-1, num_classes)[:num_classes]


def mean_iou(table: Int64[Tensor, "K K"]) -> float:
    """The mean IoU over the classes that are in the truth or in the answer; 1 where there are none."""
    hits = table.diagonal().double()
    union = table.sum(1) + table.sum(0) - hits
    return float((hits[union > 0] / union[union > 0]).mean()) if bool((union > 0).any()) else 1.0
