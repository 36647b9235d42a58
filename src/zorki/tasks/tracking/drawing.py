"""Tracked boxes on frames."""

from __future__ import annotations

import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.data.preprocess.resize_image import resize_image
from zorki.draw.images import boxes as draw_boxes
from zorki.draw.palette import color, mark_color
from zorki.ops.boxes import pairwise_iou
from zorki.types import Boxes

TRUTH_COLOR = (240, 185, 58)


def draw_tracked(image: UInt8[Tensor, "3 H W"], found: Boxes) -> UInt8[Tensor, "3 H W"]:
    """The frame with a box for each object, its number where there are several, and its score; of the frame's size."""
    scores = [None] * len(found) if found.scores is None else found.scores.tolist()
    names = [f"{row + 1} " if len(found) > 1 else "" for row in range(len(found))]
    texts = [name + ("" if score is None else f"{score:.2f}") for name, score in zip(names, scores, strict=True)]
    return draw_boxes(image, found.xyxy, texts, [color(row) for row in range(len(found))])


def thumbnail(
    image: UInt8[Tensor, "3 H W"], found: Boxes, ground_truth: Boxes | None, side: int
) -> UInt8[Tensor, "3 H2 W2"]:
    """The frame with its longer side of `side` pixels; beside a ground truth right boxes are told from wrong ones."""
    height, width = image.shape[1:]
    scale = side / max(height, width)
    small = resize_image(image, max(1, round(height * scale)), max(1, round(width * scale)))
    factors = torch.tensor([small.shape[2] / width, small.shape[1] / height] * 2)
    if ground_truth is None:
        return draw_boxes(small, found.xyxy * factors, [""] * len(found), [color(row) for row in range(len(found))])
    hits = (
        (pairwise_iou(found.xyxy, ground_truth.xyxy) > 0.5).any(1)
        if len(ground_truth)
        else torch.zeros(len(found)).bool()
    )
    small = draw_boxes(small, ground_truth.xyxy * factors, [""] * len(ground_truth), [TRUTH_COLOR] * len(ground_truth))
    return draw_boxes(small, found.xyxy * factors, [""] * len(found), [mark_color(hit) for hit in hits.tolist()])
