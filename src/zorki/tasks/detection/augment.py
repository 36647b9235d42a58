"""Boxes that follow their image: through flips, crops, shifts, turns and changes of scale, and across its edges."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from zorki.data.transforms.augment import Augment
from zorki.data.transforms.geometry import Affine
from zorki.data.transforms.mirrored_labels import mirrored_labels
from zorki.errors import RecipeError
from zorki.ops.boxes import box_area, clip_boxes, is_large_enough
from zorki.types import Boxes, Sample

MIN_SHARE = 0.3  # of a box's area: with less of an object in sight, nobody could say what it is
MIN_SIDE = 2.0  # pixels


def augment_boxes(
    sample: Sample[Boxes], augment: Augment, generator: torch.Generator, class_names: Sequence[str] = ()
) -> Sample[Boxes]:
    """Image and boxes varied together; see `move_boxes` for what is left of boxes that leave the image.

    Classes of two sides among `class_names` change places where the image is mirrored, see `flip_pairs`.

    Raises:
        RecipeError: images shall be bent. What a box holds is not known, so neither is the box around it.
    """
    if augment.elastic:
        raise RecipeError(
            f"elastic is {augment.elastic}, but boxes cannot follow an image that is bent; masks can: set it to 0"
        )
    drawn = augment.draw(sample.image.shape[1], sample.image.shape[2], generator)
    image = augment.vary(sample.image, drawn, generator)
    size = augment.image_size if augment.random_crop < 1 else None
    target = move_boxes(sample.target, drawn.matrix(size), (0.0, 0.0, float(image.shape[2]), float(image.shape[1])))
    if drawn.mirrors:
        target = dataclasses.replace(target, labels=mirrored_labels(target.labels, class_names))
    return dataclasses.replace(sample, image=image, target=target)


def move_boxes(
    boxes: Boxes,
    matrix: Affine,
    window: tuple[float, float, float, float],
    *,
    min_share: float = MIN_SHARE,
    min_side: float = MIN_SIDE,
) -> Boxes:
    """The boxes where an affine map takes them, cut off at a window.

    A turned box becomes the upright box around its corners. All columns travel along.

    Args:
        matrix: where points go.
        window: (left, top, right, bottom) of what is seen, in the pixels that the map leads to.
        min_share: a box goes where less of its moved area is in the window; crowds stay, for they are not learned.
        min_side: a box goes where a side of what is left is shorter, in pixels, unless it was shorter before.
    """
    if len(boxes) == 0:
        return boxes
    moved = enclose(boxes.xyxy, matrix)
    left, top, right, bottom = window
    offset = moved.new_tensor([left, top, left, top])
    seen = clip_boxes(moved - offset, bottom - top, right - left) + offset
    keep = _in_sight(moved, seen, min_share, min_side)
    if boxes.crowd is not None:
        keep |= boxes.crowd & (box_area(seen) > 0)
    return dataclasses.replace(boxes, xyxy=seen)[keep]


def _in_sight(
    moved: Float[Tensor, "N 4"], seen: Float[Tensor, "N 4"], min_share: float, min_side: float
) -> Bool[Tensor, " N"]:
    # What is tiny by itself, and wholly in sight, is no leftover: it stays.
    whole = (moved - seen).abs().amax(1) < 1e-3
    enough = box_area(seen) >= min_share * box_area(moved)
    return (box_area(seen) > 0) & (whole | (enough & is_large_enough(seen, min_side)))


def enclose(xyxy: Float[Tensor, "N 4"], matrix: Affine) -> Float[Tensor, "N 4"]:
    """The upright boxes around the corners of boxes that were moved by an affine map."""
    x0, y0, x1, y1 = xyxy.unbind(1)
    corners_x, corners_y = torch.stack([x0, x1, x1, x0], 1), torch.stack([y0, y0, y1, y1], 1)
    x = matrix.a * corners_x + matrix.b * corners_y + matrix.c
    y = matrix.d * corners_x + matrix.e * corners_y + matrix.f
    return torch.stack([x.amin(1), y.amin(1), x.amax(1), y.amax(1)], 1)


def join(parts: Sequence[Boxes]) -> Boxes:
    """All rows of several annotations as one; marks that only some of them know are False for the others.

    Identities stay where all parts know them.
    """
    columns: dict[str, Tensor | None] = {}
    for name in ("crowd", "difficult"):
        if any(getattr(part, name) is not None for part in parts):
            columns[name] = torch.cat([_marks(part, name) for part in parts])
    if all(part.identities is not None for part in parts):
        columns["identities"] = torch.cat([part.identities for part in parts if part.identities is not None])
    xyxy, labels = torch.cat([part.xyxy for part in parts]), torch.cat([part.labels for part in parts])
    return Boxes(xyxy, labels, **columns)


def _marks(part: Boxes, name: str) -> Tensor:
    values = getattr(part, name)
    return torch.zeros(len(part), dtype=torch.bool) if values is None else values
