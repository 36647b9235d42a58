"""Anchors found in the training boxes: k-means of shapes (Redmon and Farhadi, 2016: YOLO9000, section 2)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def shape_iou(a: Float[Tensor, "N 2"], b: Float[Tensor, "M 2"]) -> Float[Tensor, "N M"]:
    """Intersection over union of boxes given by width and height, laid corner to corner; sizes must be positive."""
    shared = torch.minimum(a[:, None], b[None]).prod(-1)
    return shared / (a.prod(-1)[:, None] + b.prod(-1)[None] - shared)


def cluster_shapes(shapes: Float[Tensor, "N 2"], count: int, *, max_rounds: int = 300) -> Float[Tensor, "count 2"]:
    """`count` widths and heights that the shapes gather around, smallest area first; 1 - IoU is the distance.

    It starts at shapes evenly spaced in the order of area, so the same boxes give the same anchors. Where there are
    fewer different shapes than clusters, some predictions are equal.

    Raises:
        ValueError: there is no shape, or one has no area.
    """
    if len(shapes) == 0 or not bool((shapes > 0).all()):
        raise ValueError("shapes to cluster must be one or more, with positive widths and heights")
    shapes = shapes.double()
    shapes = shapes[shapes.prod(1).argsort(stable=True)]
    places = ((torch.arange(count, dtype=torch.float64) + 0.5) / count * len(shapes)).long()
    centers = shapes[places.clamp(max=len(shapes) - 1)]
    nearest = torch.full((len(shapes),), -1)
    for _ in range(max_rounds):
        overlap, found = shape_iou(shapes, centers).max(1)
        if bool((found == nearest).all()):
            break
        nearest = found
        members = torch.zeros(len(shapes), count, dtype=shapes.dtype).scatter_(1, found[:, None], 1.0)
        sizes = members.sum(0)
        means = (members.T @ shapes) / sizes.clamp_min(1)[:, None]
        # A center that nobody is near goes where the shapes are served worst.
        centers = torch.where(sizes[:, None] > 0, means, shapes[overlap.argmin()])
    return centers[centers.prod(1).argsort(stable=True)].float()
