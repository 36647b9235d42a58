"""Generalized IoU as a loss (Rezatofighi et al., 2019)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from zorki.ops.boxes import generalized_iou


def giou_loss(xyxy: Float[Tensor, "*N 4"], target: Float[Tensor, "*N 4"]) -> Float[Tensor, "*N"]:
    """1 - GIoU of boxes in pairs (algorithm 1), in float32: 0 where they agree, towards 2 where they are far apart.

    Unlike IoU it has a slope where boxes do not touch. torchvision's `generalized_box_iou_loss` takes as long, but adds
    1e-7 to the areas that it divides by, which is much where boxes are shares of the image: gradients of boxes of up to
    2 % of the side differ by 2 % (`python benchmarks/losses.py`).
    """
    return 1 - generalized_iou(xyxy.float(), target.float())
