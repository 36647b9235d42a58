"""Boxes with small masks as objects with masks of the image's size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.exported.decoding.boxes import decode_boxes
from zorki.exported.decoding.resample import resample
from zorki.types import Instances, Placement

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from numpy import ndarray

    from zorki.data.images import Array

LEAST = 0.5  # of a pixel's share, above which it is of the object
RIM = 1  # cells of nothing around a mask


def decode_box_masks(outputs: Mapping[str, Array], placements: Sequence[Placement]) -> list[Instances[Any]]:
    """As `decode_boxes`, with "masks" (B, M, m, m): the share of the object in each cell of its box, 0..1."""
    found = []
    for boxes, shares, placement in zip(decode_boxes(outputs, placements), outputs["masks"], placements, strict=True):
        masks = paste_masks(shares[: len(boxes)], boxes.xyxy, placement.height, placement.width)
        found.append(Instances(boxes.xyxy, boxes.labels, masks, boxes.scores))
    return found


def paste_masks(
    shares: Float[ndarray, "N m m"], xyxy: Float[ndarray, "N 4"], height: int, width: int
) -> Bool[ndarray, "N height width"]:
    """Masks enlarged to their boxes in the image, by torchvision's rule: as `paste_masks` of Mask R-CNN in torch."""
    count, side = shares.shape[:2]
    pasted = np.zeros((count, height, width), bool)
    padded = np.pad(shares.astype(np.float32), ((0, 0), (RIM, RIM), (RIM, RIM)))
    half = (xyxy[:, 2:] - xyxy[:, :2]) * np.float32(0.5) * np.float32((side + 2 * RIM) / side)
    center = (xyxy[:, 2:] + xyxy[:, :2]) * np.float32(0.5)
    corners = np.concatenate([center - half, center + half], 1).astype(np.int64)
    for mask, share, (x0, y0, x1, y1) in zip(pasted, padded, corners.tolist(), strict=True):
        # Those of the enlarged mask's rows and columns alone that lie in the image.
        rows, columns = max(1, y1 - y0 + 1), max(1, x1 - x0 + 1)
        seen_rows, seen_columns = _inside(y0, rows, height), _inside(x0, columns, width)
        cells = len(share)
        large = resample(
            share[None], (seen_rows - y0 + 0.5) * (cells / rows), (seen_columns - x0 + 0.5) * (cells / columns)
        )[0]
        if large.size:
            mask[seen_rows[0] : seen_rows[-1] + 1, seen_columns[0] : seen_columns[-1] + 1] = large > LEAST
    return pasted


def _inside(first: int, count: int, length: int) -> Array:
    return np.arange(max(first, 0), min(first + count, length))
