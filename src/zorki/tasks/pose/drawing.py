"""Joints and limbs on images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.draw.images import Color, boxes, color, enlarge, shrink
from zorki.draw.palette import mark_color
from zorki.draw.skeletons import Figure, figures
from zorki.types import Keypoints, Skeleton
from zorki.types.arrays import array_of

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

MIN_WIDTH = 320  # pixels: narrower images are enlarged by a whole factor
TRUTH_COLOR: Color = mark_color(None)


def draw_keypoints(
    image: UInt8[ndarray, "3 H W"], annotation: Keypoints[Any], skeleton: Skeleton
) -> UInt8[ndarray, "3 H2 W2"]:
    """The image with the limbs and joints of every object, an object in one color; hidden joints are rings.

    Objects with identities and boxes have these drawn, too.
    """
    large = enlarge(image, MIN_WIDTH)
    factor = large.shape[2] / image.shape[2]
    inks = _inks(annotation)
    drawn = figures(large, _figures(annotation, factor, factor, inks), skeleton.limbs)
    if annotation.identities is None or annotation.xyxy is None:
        return drawn
    return boxes(
        drawn,
        array_of(annotation.xyxy) * np.float32(factor),
        [f"#{key}" for key in annotation.identities.tolist()],
        inks,
    )


def thumbnail(
    image: UInt8[ndarray, "3 H W"],
    annotation: Keypoints[Any],
    ground_truth: Keypoints[Any] | None,
    skeleton: Skeleton,
    side: int,
) -> UInt8[ndarray, "3 H2 W2"]:
    """The image with its longer side of `side` pixels; beside the ground truth this is gray below the prediction."""
    small = shrink(image, side)
    x, y = small.shape[2] / image.shape[2], small.shape[1] / image.shape[1]
    if ground_truth is not None:
        small = figures(small, _figures(ground_truth, x, y, [TRUTH_COLOR] * len(ground_truth)), skeleton.limbs)
    return figures(small, _figures(annotation, x, y, _inks(annotation)), skeleton.limbs)


def _inks(annotation: Keypoints[Any]) -> list[Color]:
    """A color an object; of those with identities the same in every frame."""
    identities = annotation.identities
    return [color(key) for key in (range(len(annotation)) if identities is None else identities.tolist())]


def _figures(annotation: Keypoints[Any], x: float, y: float, inks: Sequence[Color]) -> list[Figure]:
    points = annotation.numpy().points * np.array([x, y], np.float32)
    rows = zip(points.tolist(), annotation.visibility.tolist(), inks, strict=True)
    return [Figure(places, flags, ink) for places, flags, ink in rows]
