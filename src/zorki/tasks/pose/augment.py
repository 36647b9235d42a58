"""Joints and boxes that follow their image through flips, crops, shifts, turns and changes of scale."""

from __future__ import annotations

import dataclasses

import torch

from zorki.data.transforms.augment import Augment
from zorki.data.transforms.flip_pairs import Pairs, mirrored_order
from zorki.errors import RecipeError
from zorki.tasks.detection.augment import move_boxes
from zorki.types import Boxes, Keypoints, Sample


def augment_keypoints(
    sample: Sample[Keypoints], augment: Augment, generator: torch.Generator, pairs: Pairs | None
) -> Sample[Keypoints]:
    """Image, boxes and joints varied together; joints that leave the image are no longer labeled.

    Left and right twins, the `pairs`, change places where the image is mirrored.

    Raises:
        RecipeError: images shall be bent, or an image is mirrored and no pairs are known.
    """
    if augment.elastic:
        raise RecipeError(f"elastic is {augment.elastic}, but boxes cannot follow an image that is bent: set it to 0")
    drawn = augment.draw(sample.image.shape[1], sample.image.shape[2], generator)
    image = augment.vary(sample.image, drawn, generator)
    matrix = drawn.matrix(augment.image_size if augment.random_crop < 1 else None).tensor()
    target, (height, width) = sample.target, image.shape[1:]
    points = target.points @ matrix[:, :2].T + matrix[:, 2]
    inside = ((points >= 0) & (points <= points.new_tensor([width, height]))).all(2)
    target = dataclasses.replace(target, points=points, visibility=target.visibility * inside, areas=None)
    if drawn.mirrors:
        target = _mirrored(target, pairs)
    if target.xyxy is not None:
        rows = torch.arange(len(target))
        boxes = Boxes(target.xyxy, rows, crowd=target.crowd)
        size = augment.image_size if augment.random_crop < 1 else None
        moved = move_boxes(boxes, drawn.matrix(size), (0.0, 0.0, float(width), float(height)))
        target = dataclasses.replace(target[moved.labels], xyxy=moved.xyxy)
    return dataclasses.replace(sample, image=image, target=target)


def _mirrored(target: Keypoints, pairs: Pairs | None) -> Keypoints:
    if pairs is None:
        raise RecipeError(NO_PAIRS)
    order = list(mirrored_order(target.points.shape[1], pairs))
    return dataclasses.replace(target, points=target.points[:, order], visibility=target.visibility[:, order])


NO_PAIRS = (
    "which joints are left and right twins is not known, neither by the data nor by the joints' names, so images "
    "cannot be mirrored; say --flip-pairs LEFT=RIGHT,..., or leave out hflip and vflip"
)
