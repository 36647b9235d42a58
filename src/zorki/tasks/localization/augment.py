"""Images of one object varied for training: what is shown is still an image of that object."""

from __future__ import annotations

import dataclasses

import torch

from zorki.data.transforms.augment import Augment
from zorki.tasks.detection.augment import augment_boxes
from zorki.types import Boxes, ClassInfo, Sample

TRIES = 10  # draws until the object is in sight


def augment_in_sight(
    sample: Sample[Boxes], augment: Augment, generator: torch.Generator, info: ClassInfo
) -> Sample[Boxes]:
    """Image and boxes varied together, drawn again where the object left the image, see `move_boxes`.

    Of named parts one must stay; others may leave, as hidden ones do. Where ten draws lose it, all of the image is
    kept: it is neither cropped, shifted, turned nor rescaled. Classes of two sides change places where it is mirrored.

    Raises:
        RecipeError: images shall be bent.
    """
    for _ in range(TRIES):
        varied = augment_boxes(sample, augment, generator, info.names)
        if len(varied.target) > 0 or len(sample.target) == 0:
            return varied
    still = dataclasses.replace(augment, random_crop=1.0, translate=0.0, rotate=0.0, scale_jitter=0.0)
    return augment_boxes(sample, still, generator, info.names)
