"""Masks of objects on images, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.draw.images import Color, enlarge, shrink
from zorki.draw.maps import edges, hatch, paint, resized
from zorki.draw.palette import color, mark_color
from zorki.ops.mask_pixels import MaskPixels
from zorki.tasks.detection.drawing import MIN_WIDTH, MISSED_COLOR, draw_boxes
from zorki.types import Boxes, Instances

if TYPE_CHECKING:
    from jaxtyping import Bool, Int32, UInt8
    from numpy import ndarray

# Neither the dark shades, which vanish on the black ground of many microscopes, nor slate, which looks like a crowd.
INKS = [color(number) for number in range(16) if number % 8 != 7]


def draw_instances(
    image: UInt8[ndarray, "3 H W"], annotation: Instances[Any], class_names: Sequence[str]
) -> UInt8[ndarray, "3 H2 W2"]:
    """The image with every object in a color of its own, of fourteen, with its outline; the best stands on top.

    Tracked objects have a color for their identity, the same in every frame, and boxes that tell it. Where there are
    several classes, boxes in the classes' colors say which it is and how sure that is; of a single
    class there is nothing to say. Crowds are gray. Images narrower than 320 pixels are enlarged by a whole factor.
    """
    annotation = annotation.numpy()
    numbers = _on_top(annotation)
    painted = _painted(image, numbers, _inks_of(annotation), _marked(numbers, annotation.crowd))
    if len(class_names) > 1 or annotation.identities is not None:
        boxes = Boxes(
            annotation.xyxy, annotation.labels, annotation.scores, annotation.identities, crowd=annotation.crowd,
            difficult=annotation.difficult,
        )  # fmt: skip
        return draw_boxes(painted, boxes, class_names)
    return enlarge(painted, MIN_WIDTH)


def thumbnail(
    image: UInt8[ndarray, "3 H W"], shown: Instances[Any], ground_truth: Instances[Any] | None, side: int
) -> UInt8[ndarray, "3 H2 W2"]:
    """The image with its longer side of `side` pixels, and objects on it.

    Without a ground truth each in a color of its own. With one: right objects teal, wrong ones vermilion and hatched,
    what does not count gray, and of objects that were not found an amber outline.
    """
    small = shrink(image, side)
    size = small.shape[1], small.shape[2]
    numbers = resized(_on_top(shown.numpy()), *size)
    if ground_truth is None:
        return _painted(small, numbers, _inks(len(shown)), _marked(numbers, shown.numpy().crowd))
    from zorki.tasks.instance_segmentation.metrics.image_match import match_masks  # with torch, which sheets need not

    match = match_masks(shown.tensors(), ground_truth.tensors())
    inks = [mark_color(true_positive) for true_positive in match.true_positive.tolist()]
    painted = _painted(small, numbers, inks, _marked(numbers, match.ignored.numpy()))
    painted = hatch(painted, _marked(numbers, match.false_positive.numpy()))
    missed = resized(_on_top(ground_truth.tensors()[match.missed].numpy()), *size)
    painted[:, edges(missed) & (missed > 0)] = np.array(MISSED_COLOR, np.uint8)[:, None]
    return painted


def _inks_of(annotation: Instances[Any]) -> list[Color]:
    if annotation.identities is None:
        return _inks(len(annotation))
    return [color(identity) for identity in annotation.identities.tolist()]


def _inks(count: int) -> list[Color]:
    return [INKS[row % len(INKS)] for row in range(count)]


def _on_top(instances: Instances[Any]) -> Int32[ndarray, "H W"]:
    """In each pixel the row of its object, counted from 1, and 0 for none; every object, the best on top."""
    pixels = MaskPixels.of(instances.masks)
    return pixels.numbers(None if instances.scores is None else instances.scores.argsort(kind="stable").tolist())


def _marked(numbers: Int32[ndarray, "H W"], marks: Bool[ndarray, " N"] | None) -> Bool[ndarray, "H W"]:
    """The pixels of the objects that are marked."""
    if marks is None:
        return np.zeros(numbers.shape, bool)
    return np.concatenate([[False], marks])[numbers]


def _painted(
    image: UInt8[ndarray, "3 H W"], numbers: Int32[ndarray, "H W"], inks: Sequence[Color], gray: Bool[ndarray, "H W"]
) -> UInt8[ndarray, "3 H W"]:
    table = np.array([(0, 0, 0), *inks], np.uint8)
    return paint(image, numbers, bare=[0], ignored=gray, colors=table)
