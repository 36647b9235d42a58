"""Boxes on images, with the names of their classes, for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.draw.images import boxes, enlarge, shrink
from zorki.draw.palette import color, mark_color
from zorki.types import Boxes

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

MIN_WIDTH = 320  # pixels: on smaller images names would cover the objects
MISSED_COLOR = (240, 185, 58)


def draw_boxes(
    image: UInt8[ndarray, "3 H W"], annotation: Boxes[Any], class_names: Sequence[str]
) -> UInt8[ndarray, "3 H2 W2"]:
    """The image with every box, its class's name in its class's color, and the score where there is one.

    Tracked objects have their identity and its color instead, the same in every frame. The worst is drawn first, so
    that the best stands on top. Crowds are gray and say so, difficult objects have a question mark. Images narrower
    than 320 pixels are enlarged by a whole factor.
    """
    factor = max(1, math.ceil(MIN_WIDTH / image.shape[2]))
    annotation = annotation.numpy()
    if annotation.scores is not None:
        annotation = annotation[annotation.scores.argsort(kind="stable")]
    crowd = _marks(annotation.crowd, len(annotation))
    difficult = _marks(annotation.difficult, len(annotation))
    scores: list[float | None] = [None] * len(annotation)
    if annotation.scores is not None:
        scores = annotation.scores.tolist()
    texts, colors = [], []
    identities = annotation.identities
    whose = [None] * len(annotation) if identities is None else identities.tolist()
    rows = zip(annotation.labels.tolist(), whose, scores, crowd, difficult, strict=True)
    for label, identity, score, many, hard in rows:
        name = class_names[label] + (" crowd" if many else "") + ("?" if hard else "")
        name += "" if identity is None else f" #{identity}"
        texts.append(name if score is None else f"{name} {score:.2f}")
        colors.append(mark_color(None) if many else color(label if identity is None else identity))
    return boxes(enlarge(image, MIN_WIDTH), annotation.xyxy * factor, texts, colors)


def thumbnail(
    image: UInt8[ndarray, "3 H W"],
    shown: Boxes[Any],
    ground_truth: Boxes[Any] | None,
    class_names: Sequence[str],
    side: int,
) -> UInt8[ndarray, "3 H2 W2"]:
    """The image with its longer side of `side` pixels, and boxes on it.

    Without a ground truth in the colors of their classes. With one: right boxes teal, wrong ones vermilion and "wrong",
    objects that were not found amber and "missed", boxes that do not count gray.
    """
    small = shrink(image, side)
    factors = np.array([small.shape[2] / image.shape[2], small.shape[1] / image.shape[1]] * 2, np.float32)
    xyxy = shown.numpy().xyxy * factors
    if ground_truth is None:
        colors = [color(label) for label in shown.labels.tolist()]
        return boxes(small, xyxy, [class_names[label] for label in shown.labels.tolist()], colors)
    from zorki.tasks.detection.metrics.image_match import match_boxes  # with torch, which sheets need not

    match = match_boxes(shown.tensors(), ground_truth.tensors())
    missed = ground_truth.tensors()[match.missed].numpy()
    texts = ["missed " + class_names[label] for label in missed.labels.tolist()]
    inks = [MISSED_COLOR] * len(missed)
    for label, true_positive, ignored in zip(
        shown.labels.tolist(), match.true_positive.tolist(), match.ignored.tolist(), strict=True
    ):
        texts.append(class_names[label] if true_positive or ignored else "wrong " + class_names[label])
        inks.append(mark_color(None if ignored else true_positive))
    return boxes(small, np.concatenate([missed.xyxy * factors, xyxy]), texts, inks)


def _marks(column: ndarray | None, count: int) -> list[bool]:
    return [False] * count if column is None else column.astype(bool).tolist()
