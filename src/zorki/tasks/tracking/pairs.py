"""Pairs of frames of a video: what a Siamese tracker learns from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from zorki.data.preprocess.resize_image import resize_image
from zorki.data.preprocess.tracking.windows import exemplar_sides
from zorki.data.transforms.augment import Augment
from zorki.errors import DataError
from zorki.tasks.recipe_augment import augment_of
from zorki.tasks.tracking.settings import TrackingSettings
from zorki.types import Sample, TrackedBoxes

REACH = 3.25
"""Sides of an exemplar that a search region sees at most: it is twice as large, moved by a quarter and stretched."""

NETWORK_SIDE = 127  # pixels of an exemplar
SPARE = 1.5  # pixels of a frame to each of the exemplar's: of more, training would see nothing


def draw_pair(
    sample: Sample[TrackedBoxes], recipe: TrackingSettings, generator: torch.Generator
) -> Sample[TrackedBoxes]:
    """Two frames of one object (2, 3, H, W), and its box in each: frames 0 and 1.

    They lie `max_gap` frames apart at most (section 4.2: 100); of an image, both are the image itself. Both are
    mirrored or none; colors, blur and noise differ. Of large frames there is the part about the object alone, at
    the size that a network can see: to vary what is thrown away takes most of the time of a pair.

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
    frames, xyxy = _around(frames, rows.xyxy[pair], (recipe.image_size or 2 * NETWORK_SIDE) // 2)
    augment = _pixels_alone(augment_of(recipe))
    varied = torch.stack([augment(frame, generator) for frame in frames])
    if float(torch.rand((), generator=generator)) < (recipe.hflip or 0.0):
        varied, xyxy = varied.flip(3), _mirrored(xyxy, varied.shape[3])
    numbers = torch.arange(2)
    return Sample(varied, TrackedBoxes(numbers, torch.zeros_like(numbers), xyxy), sample.path)


def _around(frames: Sequence[Tensor], xyxy: Tensor, exemplar: int) -> tuple[list[Tensor], Tensor]:
    """What of each frame a network can see about its box, one size for both, and the boxes there.

    Args:
        exemplar: pixels that a network has of the exemplar's side.
    """
    height, width = frames[0].shape[1:]
    centers, sides = (xyxy[:, :2] + xyxy[:, 2:]) / 2, exemplar_sides((xyxy[:, 2:] - xyxy[:, :2]).clamp_min(1.0))
    edge = xyxy.new_tensor([width, height])
    low = (centers - REACH / 2 * sides[:, None]).floor().clamp_min(0)
    high = torch.minimum((centers + REACH / 2 * sides[:, None]).ceil(), edge)
    size = (high - low).amax(0).clamp_min(1)  # a box beyond the frame's edge leaves a pixel
    corners = torch.minimum(low, edge - size)
    columns, rows = (int(value) for value in size.tolist())
    parts = [
        frame[:, top : top + rows, left : left + columns]
        for frame, (left, top) in zip(frames, corners.long().tolist(), strict=True)
    ]
    xyxy = xyxy - corners.repeat(1, 2)
    shrink = max(1, int(float(sides.min()) / (SPARE * exemplar)))
    if shrink == 1:
        return parts, xyxy
    small = max(1, rows // shrink), max(1, columns // shrink)
    factors = xyxy.new_tensor([small[1] / columns, small[0] / rows])
    return [resize_image(part, *small) for part in parts], xyxy * factors.repeat(2)


def _pixels_alone(augment: Augment) -> Augment:
    """Without what moves pixels: the windows of the pairs are moved and scaled by themselves."""
    still = {"hflip": 0.0, "vflip": 0.0, "random_crop": 1.0, "translate": 0.0, "rotate": 0.0, "scale_jitter": 0.0}
    return dataclasses.replace(augment, **still, elastic=0.0, cutout=0.0)  # type: ignore[arg-type]


def _mirrored(xyxy: Tensor, width: int) -> Tensor:
    left, top, right, bottom = xyxy.unbind(1)
    return torch.stack([width - right, top, width - left, bottom], 1)


def _draw(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))
