"""Pairs of frames of a video: what a Siamese tracker learns from."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from zorki.data.transforms.augment import Augment
from zorki.errors import DataError
from zorki.tasks.recipe_augment import augment_of
from zorki.tasks.tracking.settings import TrackingSettings
from zorki.types import Sample, TrackedBoxes


def draw_pair(
    sample: Sample[TrackedBoxes], recipe: TrackingSettings, generator: torch.Generator
) -> Sample[TrackedBoxes]:
    """Two frames of one object (2, 3, H, W), and its box in each: frames 0 and 1.

    They lie `max_gap` frames apart at most (section 4.2: 100); of an image, both are the image itself. Both are
    mirrored or none; colors, blur and noise differ.

    Raises:
        DataError: the video has no annotated object.
    """
    target = sample.target
    if not len(target):
        raise DataError(f"{sample.path}: no frame of it has an annotated object")
    identities = target.identities.unique()
    rows = target[target.identities == identities[_draw(len(identities), generator)]]
    rows = rows[rows.frames.argsort(stable=True)]
    first = _draw(len(rows), generator)
    near = ((rows.frames - rows.frames[first]).abs() <= recipe.max_gap).nonzero()[:, 0]
    pair = [first, int(near[_draw(len(near), generator)])]
    frames = [sample.image[int(rows.frames[row])] for row in pair]
    augment = _pixels_alone(augment_of(recipe))
    varied = torch.stack([augment(frame, generator) for frame in frames])
    xyxy = rows.xyxy[pair]
    if float(torch.rand((), generator=generator)) < (recipe.hflip or 0.0):
        varied, xyxy = varied.flip(3), _mirrored(xyxy, varied.shape[3])
    numbers = torch.arange(2)
    return Sample(varied, TrackedBoxes(numbers, torch.zeros_like(numbers), xyxy), sample.path)


def _pixels_alone(augment: Augment) -> Augment:
    """Without what moves pixels: the windows of the pairs are moved and scaled by themselves."""
    still = {"hflip": 0.0, "vflip": 0.0, "random_crop": 1.0, "translate": 0.0, "rotate": 0.0, "scale_jitter": 0.0}
    return dataclasses.replace(augment, **still, elastic=0.0, cutout=0.0)  # type: ignore[arg-type]


def _mirrored(xyxy: Tensor, width: int) -> Tensor:
    left, top, right, bottom = xyxy.unbind(1)
    return torch.stack([width - right, top, width - left, bottom], 1)


def _draw(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))
