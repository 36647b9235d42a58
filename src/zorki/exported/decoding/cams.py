"""Class activation maps as boxes (Zhou et al., 2016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.types import Boxes, Placement

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray

    from zorki.data.images import Array


def decode_cams(outputs: Mapping[str, Array], placements: Sequence[Placement], *, threshold: float) -> list[Boxes[Any]]:
    """The best classes of each image, "labels" and "scores" (B, G), each with the box of its map, "maps" (B, G, H, W).

    Args:
        threshold: share of a map's maximum, from which on a pixel is of the object.
    """
    columns = (outputs[name] for name in ("maps", "labels", "scores"))
    return [
        Boxes(np.array([box_of_map(one, threshold) for one in maps], np.float32), labels, scores).restore(placement)
        for maps, labels, scores, placement in zip(*columns, placements, strict=True)
    ]


def box_of_map(activation: Float[ndarray, "H W"], threshold: float) -> tuple[float, float, float, float]:
    """The box (xyxy) around the largest piece of a map that reaches a share of its maximum.

    Pixels that share an edge are of one piece. All of the map where it is nowhere above 0.
    """
    from scipy import ndimage

    most = float(activation.max())
    if most <= 0:
        height, width = activation.shape
        return 0.0, 0.0, float(width), float(height)
    pieces, _ = ndimage.label(activation >= threshold * most)
    largest = int(np.bincount(pieces.ravel())[1:].argmax()) + 1
    rows, columns = ndimage.find_objects(pieces)[largest - 1]
    return float(columns.start), float(rows.start), float(columns.stop), float(rows.stop)
