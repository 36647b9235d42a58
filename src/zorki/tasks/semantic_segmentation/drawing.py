"""Masks on images, with the names of their classes, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.draw.images import enlarge, legend, shrink
from zorki.draw.maps import hatch, paint, resized
from zorki.draw.palette import color
from zorki.types import ClassInfo, Mask

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

MIN_WIDTH = 320  # pixels: on smaller images the legend could not be read
MAX_NAMES = 24  # classes that the legend always has; of more it has those that are there
FULL_LINES = 3  # of such a legend


def draw_mask(image: UInt8[ndarray, "3 H W"], annotation: Mask[Any], info: ClassInfo) -> UInt8[ndarray, "3 H2 W2"]:
    """The image in the colors of its classes, with their edges, and a legend under it.

    Backgrounds keep the image's own colors, and what is ignored is gray. Images narrower than 320 pixels are
    enlarged by a whole factor. All images of one size are drawn in one size.
    """
    annotation = annotation.numpy()
    painted = enlarge(paint(image, annotation.classes, bare=info.background, ignored=_ignored(annotation)), MIN_WIDTH)
    labels = [label for label in range(len(info)) if label not in info.background]
    lines = None
    if len(labels) > MAX_NAMES:
        counts = np.bincount(annotation.classes[~_ignored(annotation)], minlength=len(info))
        labels = sorted((label for label in labels if counts[label]), key=lambda label: -int(counts[label]))
        lines = FULL_LINES
    entries = [(info.names[label], color(label)) for label in labels]
    return np.concatenate([painted, legend(painted.shape[2], entries, lines=lines, height=painted.shape[1])], axis=1)


def thumbnail(
    image: UInt8[ndarray, "3 H W"], shown: Mask[Any], ground_truth: Mask[Any] | None, info: ClassInfo, side: int
) -> UInt8[ndarray, "3 H2 W2"]:
    """The image with its longer side of `side` pixels, in the colors of its classes.

    Beside a ground truth, wrong pixels are hatched and ignored ones gray.
    """
    small = shrink(image, side)
    size = small.shape[1], small.shape[2]
    classes = resized(shown.numpy().classes, *size)
    expected = classes if ground_truth is None else resized(ground_truth.numpy().classes, *size)
    ignored = expected == (shown if ground_truth is None else ground_truth).ignore
    painted = paint(small, classes, bare=info.background, ignored=ignored)
    return hatch(painted, (classes != expected) & ~ignored)


def _ignored(mask: Mask[Any]) -> ndarray:
    return mask.classes == mask.ignore
