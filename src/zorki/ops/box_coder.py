"""Boxes as networks see them: offsets from an anchor, or distances from a point."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from zorki.ops.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh

# More than a thousand-fold enlargement of a 16 pixel anchor is no prediction; the exponential must not overflow.
LARGEST_LOG = math.log(1000 / 16)


def encode_offsets(
    anchors: Float[Tensor, "*N 4"],
    xyxy: Float[Tensor, "*N 4"],
    weights: tuple[float, float, float, float] = (1, 1, 1, 1),
) -> Float[Tensor, "*N 4"]:
    """(t_x, t_y, t_w, t_h) of boxes from their anchors (Girshick et al., 2013, appendix C), each times its weight.

    Centers move in units of the anchor's size, sizes change by the logarithm of their ratio. Boxes and anchors must
    have an area.
    """
    anchor, box = xyxy_to_cxcywh(anchors), xyxy_to_cxcywh(xyxy)
    center = (box[..., :2] - anchor[..., :2]) / anchor[..., 2:]
    size = (box[..., 2:] / anchor[..., 2:]).log()
    return torch.cat([center, size], -1) * anchors.new_tensor(weights)


def decode_offsets(
    anchors: Float[Tensor, "*_ 4"],
    offsets: Float[Tensor, "*_ 4"],
    weights: tuple[float, float, float, float] = (1, 1, 1, 1),
) -> Float[Tensor, "*_ 4"]:
    """Boxes (xyxy) from anchors and (t_x, t_y, t_w, t_h): the inverse of `encode_offsets`, broadcasting."""
    anchor = xyxy_to_cxcywh(anchors)
    offsets = offsets / offsets.new_tensor(weights)
    center = offsets[..., :2] * anchor[..., 2:] + anchor[..., :2]
    size = offsets[..., 2:].clamp(max=LARGEST_LOG).exp() * anchor[..., 2:]
    return cxcywh_to_xyxy(torch.cat([center, size], -1))


def encode_sides(points: Float[Tensor, "*_ 2"], xyxy: Float[Tensor, "*_ 4"]) -> Float[Tensor, "*_ 4"]:
    """(left, top, right, bottom): pixels from a point to the sides of a box; negative where it lies outside."""
    return torch.cat([points - xyxy[..., :2], xyxy[..., 2:] - points], -1)


def decode_sides(points: Float[Tensor, "*_ 2"], sides: Float[Tensor, "*_ 4"]) -> Float[Tensor, "*_ 4"]:
    """The inverse of `encode_sides`."""
    return torch.cat([points - sides[..., :2], points + sides[..., 2:]], -1)
