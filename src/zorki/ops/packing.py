"""Masks of objects as few maps of numbers: what is done to all of them costs one pass, not one an object."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor


class Packed(NamedTuple):
    """Masks in layers. In its layer, the pixels of mask number n (from 0) are n + 1; 0 is nobody's."""

    maps: Integer[Tensor, "L H W"]
    layers: Int[Tensor, " N"]


class Extents(NamedTuple):
    """What is left of each mask: its number of pixels, and the tight box around them; zeros where nothing is."""

    counts: Int[Tensor, " N"]
    xyxy: Float[Tensor, "N 4"]


def pack_masks(masks: Bool[Tensor, "N H W"]) -> Packed:
    """The masks in layers: one where no two overlap, else each in the first in which it overlaps none before it."""
    count, height, width = masks.shape
    kind = torch.uint8 if count < 2**8 else torch.int16 if count < 2**15 else torch.int32
    maps, layers = torch.zeros((1, height, width), dtype=kind), torch.zeros(count, dtype=torch.int64)
    boxes = tight_boxes(masks).int().tolist()
    for row, (left, top, right, bottom) in enumerate(boxes):
        part = (slice(top, bottom), slice(left, right))
        mask = masks[row][part]
        free = (layer for layer, taken in enumerate(maps) if not bool((taken[part][mask] != 0).any()))
        layer = next(free, len(maps))
        if layer == len(maps):
            maps = torch.cat([maps, torch.zeros((1, height, width), dtype=kind)])
        maps[layer][part].masked_fill_(mask, row + 1)
        layers[row] = layer
    return Packed(maps, layers)


def unpack_masks(packed: Packed, rows: Int[Tensor, " M"]) -> Bool[Tensor, "M H W"]:
    """The masks of those numbers. The inverse of `pack_masks` for all of them."""
    numbers = (rows + 1).to(packed.maps.dtype)[:, None, None]
    if len(packed.maps) == 1:  # no copy of the map for each mask
        return packed.maps == numbers
    return packed.maps[packed.layers[rows]] == numbers


def pixel_counts(packed: Packed) -> Int[Tensor, " N"]:
    """How many pixels each mask has."""
    return torch.bincount(packed.maps.flatten(), minlength=len(packed.layers) + 1)[1:]


def extents(packed: Packed) -> Extents:
    """How many pixels each mask has, and where."""
    from scipy import ndimage

    count = len(packed.layers)
    xyxy = torch.zeros((count, 4))
    for layer in packed.maps:
        for row, box in enumerate(ndimage.find_objects(layer.numpy(), max(1, count))):
            if box is not None:
                rows, columns = box
                xyxy[row] = torch.tensor([columns.start, rows.start, columns.stop, rows.stop])
    return Extents(pixel_counts(packed), xyxy)


def tight_boxes(masks: Bool[Tensor, "N H W"]) -> Float[Tensor, "N 4"]:
    """The upright boxes around the pixels of each mask, in xyxy, by whole pixels; zeros where it has none."""
    if masks.numel() == 0:
        return torch.zeros((len(masks), 4))
    numbers = masks.contiguous().view(torch.uint8)  # of which torch finds the largest many times as fast
    height, width = masks.shape[1:]
    rows, columns = numbers.amax(2), numbers.amax(1)
    top, left = rows.argmax(1), columns.argmax(1)
    bottom, right = height - rows.flip(1).argmax(1), width - columns.flip(1).argmax(1)
    return torch.stack([left, top, right, bottom], 1).float() * rows.amax(1)[:, None]
