"""Generalized IoU as a loss (Rezatofighi et al., 2019)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from zorki.ops.boxes import generalized_iou


def giou_loss(xyxy: Float[Tensor, "*N 4"], wanted: Float[Tensor, "*N 4"]) -> Float[Tensor, "*N"]:
    """1 - GIoU of boxes in pairs (algorithm 1), in float32: 0 where they agree, towards 2 where they are far apart.

    Unlike IoU it has a slope where boxes do not touch.
    """
    return 1 - generalized_iou(xyxy.float(), wanted.float())
