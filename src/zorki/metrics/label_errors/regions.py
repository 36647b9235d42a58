"""Which regions of a map of classes are probably wrong: pieces where a model sees another class, but for edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Integer
    from numpy import ndarray

EDGE = 2  # pixels along the edges of classes, where annotations are never exact


class RegionError(NamedTuple):
    """A piece of one class that a model takes for another.

    Attributes:
        label, suggested: as annotated, and as predicted.
        share: of the image's pixels.
        box: (left, top, right, bottom), in pixels.
    """

    label: int
    suggested: int
    share: float
    box: tuple[int, int, int, int]


def region_errors(
    predicted: Integer[ndarray, "H W"],
    labels: Integer[ndarray, "H W"],
    ignored: Bool[ndarray, "H W"],
    min_share: float = 0.001,
) -> list[RegionError]:
    """Connected pieces of one pair of classes that are thicker than two edges, the largest first.

    Args:
        min_share: of the image's pixels that a piece has at least.
    """
    from scipy import ndimage

    found = []
    differs = (predicted != labels) & ~ignored
    pairs = np.unique(np.stack([labels[differs], predicted[differs]], 1).astype(np.int64), axis=0)
    for label, suggested in pairs.tolist():
        pieces, count = ndimage.label(differs & (labels == label) & (predicted == suggested))
        thick = ndimage.binary_erosion(pieces > 0, iterations=EDGE)
        kept = set(np.unique(pieces[thick]).tolist()) - {0}
        areas = np.bincount(pieces.ravel(), minlength=count + 1)
        for number, window in enumerate(ndimage.find_objects(pieces), start=1):
            share = float(areas[number]) / pieces.size
            if number in kept and share >= min_share:
                rows, columns = window
                box = (columns.start, rows.start, columns.stop, rows.stop)
                found.append(RegionError(label, suggested, share, box))
    return sorted(found, key=lambda one: -one.share)
