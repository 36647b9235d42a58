"""Boxes of network pixels in those of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zorki.types import Boxes, Placement

if TYPE_CHECKING:
    from zorki.data.images import Array


def decode_boxes(outputs: Mapping[str, Array], placements: Sequence[Placement]) -> list[Boxes[Any]]:
    """The first "count" rows of each image of "xyxy" (B, M, 4), "scores" and "labels" (B, M), best first."""
    columns = (outputs[name] for name in ("xyxy", "scores", "labels", "count"))
    return [
        Boxes(xyxy[:count], labels[:count], scores[:count]).restore(placement)
        for xyxy, scores, labels, count, placement in zip(*columns, placements, strict=True)
    ]
