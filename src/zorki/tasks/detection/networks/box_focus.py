"""Which box of many is explained, and how sure a detector is of it.

After D-RISE (Petsiuk et al., 2021, equation 4), whose similarity of two detections is the product of their overlap and
of what the class scores: boxes need not stay the same ones where pixels are hidden.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from zorki.contracts.capabilities import Focus
from zorki.errors import RecipeError
from zorki.ops.boxes import pairwise_iou
from zorki.types import Boxes


def choose_box(found: Boxes, focus: Focus) -> Focus:
    """The focus with the box that is most certain, or that lies where the focus says, and its class.

    Args:
        found: boxes of one image in network pixels, with scores.

    Raises:
        RecipeError: there is no box of the class, or none that overlaps the region.
    """
    kept = found if focus.label is None else found[found.labels == focus.label]
    assert kept.scores is not None
    ranks = kept.scores
    if focus.box is not None and len(kept):
        ranks = ranks * _overlap(kept.xyxy, focus.box)
    if len(kept) == 0 or float(ranks.max()) <= 0:
        where = "" if focus.box is None else " in this region"
        raise RecipeError(f"the network finds no object{where}; name another box, another class, or another image")
    best = int(ranks.argmax())
    left, top, right, bottom = kept.xyxy[best].tolist()
    return replace(focus, label=int(kept.labels[best]), box=(left, top, right, bottom))


def box_scores(
    xyxy: Float[Tensor, "B N 4"], scores: Float[Tensor, "B N"], labels: Int[Tensor, "B N"], focus: Focus
) -> Float[Tensor, " B"]:
    """Of each image the largest product of a box's overlap with the focus and its score; gradients are the score's."""
    assert focus.box is not None
    assert focus.label is not None
    overlap = _overlap(xyxy.detach().flatten(0, 1), focus.box).view_as(scores)
    same: Tensor = labels.eq(focus.label)
    return (overlap * scores * same).amax(1)


def _overlap(xyxy: Float[Tensor, "N 4"], box: tuple[float, float, float, float]) -> Float[Tensor, " N"]:
    return pairwise_iou(xyxy.float(), torch.tensor([box], device=xyxy.device))[:, 0]
