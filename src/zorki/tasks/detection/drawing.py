"""Boxes on pictures, with the names of their classes, for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.draw.palette import colour
from zorki.draw.pictures import boxes, enlarge
from zorki.types import Boxes

LEAST_WIDTH = 320  # pixels: on smaller pictures names would cover the objects
CROWD_COLOUR = (120, 128, 138)


def draw_boxes(
    image: UInt8[Tensor, "3 H W"], annotation: Boxes, class_names: Sequence[str]
) -> UInt8[Tensor, "3 H2 W2"]:
    """The picture with every box, its class's name in its class's colour, and the score where there is one.

    The worst is drawn first, so that the best stands on top. Crowds are gray and say so, difficult objects have a
    question mark. Pictures narrower than 320 pixels are enlarged by a whole factor.
    """
    factor = max(1, math.ceil(LEAST_WIDTH / image.shape[2]))
    if annotation.scores is not None:
        annotation = annotation[annotation.scores.argsort(stable=True)]
    crowd = _marks(annotation.crowd, len(annotation))
    difficult = _marks(annotation.difficult, len(annotation))
    scores: list[float | None] = [None] * len(annotation)
    if annotation.scores is not None:
        scores = annotation.scores.tolist()
    texts, colours = [], []
    rows = zip(annotation.labels.tolist(), scores, crowd, difficult, strict=True)
    for label, score, many, hard in rows:
        name = class_names[label] + (" crowd" if many else "") + ("?" if hard else "")
        texts.append(name if score is None else f"{name} {score:.2f}")
        colours.append(CROWD_COLOUR if many else colour(label))
    return boxes(enlarge(image, LEAST_WIDTH), annotation.xyxy * factor, texts, colours)


def _marks(column: Tensor | None, count: int) -> list[bool]:
    return [False] * count if column is None else column.to(torch.bool).tolist()
