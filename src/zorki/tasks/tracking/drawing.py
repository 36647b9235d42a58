"""Tracked boxes on frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.draw.images import boxes as draw_boxes
from zorki.draw.images import shrink
from zorki.draw.palette import color, mark_color
from zorki.types import Boxes

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

TRUTH_COLOR = (240, 185, 58)


def draw_tracked(image: UInt8[ndarray, "3 H W"], found: Boxes[Any]) -> UInt8[ndarray, "3 H W"]:
    """The frame with a box for each object, its number where there are several, and its score; of the frame's size.

    Around an object that is lost the lines are broken, where it was seen last.
    """
    scores = [None] * len(found) if found.scores is None else found.scores.tolist()
    lost = [False] * len(found) if found.lost is None else found.lost.tolist()
    names = [f"{row + 1} " if len(found) > 1 else "" for row in range(len(found))]
    words = [
        "lost" if away else "" if score is None else f"{score:.2f}" for score, away in zip(scores, lost, strict=True)
    ]
    texts = [name + word for name, word in zip(names, words, strict=True)]
    return draw_boxes(image, found.numpy().xyxy, texts, [color(row) for row in range(len(found))], lost)


def thumbnail(
    image: UInt8[ndarray, "3 H W"], found: Boxes[Any], ground_truth: Boxes[Any] | None, side: int
) -> UInt8[ndarray, "3 H2 W2"]:
    """The frame with its longer side of `side` pixels; beside a ground truth right boxes are told from wrong ones."""
    small = shrink(image, side)
    factors = np.array([small.shape[2] / image.shape[2], small.shape[1] / image.shape[1]] * 2, np.float32)
    xyxy, texts = found.numpy().xyxy * factors, [""] * len(found)
    if ground_truth is None:
        return draw_boxes(small, xyxy, texts, [color(row) for row in range(len(found))])
    expected = ground_truth.numpy().xyxy * factors
    small = draw_boxes(small, expected, [""] * len(ground_truth), [TRUTH_COLOR] * len(ground_truth))
    return draw_boxes(small, xyxy, texts, [mark_color(hit) for hit in _hits(found, ground_truth)])


def _hits(found: Boxes[Any], ground_truth: Boxes[Any]) -> list[bool]:
    from zorki.ops.boxes import pairwise_iou  # with torch, which sheets need not

    if not len(ground_truth):
        return [False] * len(found)
    return (pairwise_iou(found.tensors().xyxy, ground_truth.tensors().xyxy) > 0.5).any(1).tolist()
