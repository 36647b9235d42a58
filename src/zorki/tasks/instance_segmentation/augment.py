"""Objects with masks that follow their image, through all that is done to it, and across its edges."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch

from zorki.data.transforms.augment import Augment, AugmentParameters
from zorki.data.transforms.mirrored_labels import mirrored_labels
from zorki.ops.boxes import is_large_enough
from zorki.ops.packing import Packed, extents, pack_masks, pixel_counts, tight_boxes, unpack_masks
from zorki.tasks.detection.augment import MIN_SHARE, MIN_SIDE, enclose
from zorki.types import Instances, Sample


def augment_instances(
    sample: Sample[Instances], augment: Augment, generator: torch.Generator, class_names: Sequence[str] = ()
) -> Sample[Instances]:
    """Image and objects varied together; see `move_instances` for what is left of those that leave the image.

    Classes of two sides among `class_names` change places where the image is mirrored, see `flip_pairs`.
    """
    drawn = augment.draw(sample.image.shape[1], sample.image.shape[2], generator)
    image = augment.vary(sample.image, drawn, generator)
    target = move_instances(sample.target, augment, drawn)
    if drawn.mirrors:
        target = dataclasses.replace(target, labels=mirrored_labels(target.labels, class_names))
    return dataclasses.replace(sample, image=image, target=target)


def move_instances(instances: Instances, augment: Augment, drawn: AugmentParameters) -> Instances:
    """The objects where `augment.vary` takes their image; all columns travel along.

    Masks by nearest neighbor, boxes tight around what is left of them. What is out of sight goes. An object of which
    less than `MIN_SHARE` of its moved area is in sight, or a side of less than `MIN_SIDE`, is nothing that could be
    learned, unless all of it is in sight; but it is no background either: what is left of it becomes a crowd. Where the
    image stays as it is, so do the objects with the boxes that they have.
    """
    height, width = instances.masks.shape[1:]
    size = augment.image_size if augment.random_crop < 1 else None
    still = drawn.window == (0, 0, height, width) and size is None
    if len(instances) == 0 or (still and not (drawn.warps or drawn.flip or drawn.flip_vertical)):
        return instances if still else _without_objects(instances, drawn, size)
    packed = pack_masks(instances.masks)
    moved = Packed(augment.follow(packed.maps, drawn, 0), packed.layers)
    counts, xyxy = extents(moved)
    matrix, (bottom, right) = drawn.matrix(size), moved.maps.shape[1:]
    area = pixel_counts(packed) * abs(matrix.a * matrix.e - matrix.b * matrix.d)
    whole = enclose(tight_boxes(instances.masks), matrix)
    inside = (whole[:, :2] > -1e-3).all(1) & (whole[:, 2] < right + 1e-3) & (whole[:, 3] < bottom + 1e-3)
    enough = (counts >= MIN_SHARE * area) & is_large_enough(xyxy, MIN_SIDE)
    rows = (counts > 0).nonzero()[:, 0]
    left = _rows(instances, rows, xyxy[rows], unpack_masks(moved, rows))
    scraps = ~(inside | enough)[rows]
    if not bool(scraps.any()):
        return left
    return dataclasses.replace(left, crowd=scraps if left.crowd is None else left.crowd | scraps)


def _without_objects(instances: Instances, drawn: AugmentParameters, size: int | None) -> Instances:
    height, width = drawn.window[2:] if size is None else (size, size)
    rows = torch.arange(0)
    return _rows(instances, rows, instances.xyxy[rows], torch.zeros((0, height, width), dtype=torch.bool))


def _rows(instances: Instances, rows: torch.Tensor, xyxy: torch.Tensor, masks: torch.Tensor) -> Instances:
    """Those rows with other boxes and masks: the old masks, which are large, are not copied."""
    columns = {
        f.name: value[rows]
        for f in dataclasses.fields(instances)
        if f.name not in ("xyxy", "masks") and (value := getattr(instances, f.name)) is not None
    }
    return dataclasses.replace(instances, xyxy=xyxy, masks=masks, **columns)
