"""Boxes checked: what is no box is left out, what reaches beyond its image is cut off, and each is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

TOLERANCE = 1.0
"""Pixels by which a box may leave its image and stay as it is: formats round, and some count pixels from 1."""


def clean(xyxy: Array, sizes: Array) -> tuple[Array, Array, dict[int, str]]:
    """Boxes put right, which of them stay, and by row what was wrong and what was done.

    Boxes with a value that is no number, without an area, or wholly outside of their image are left out. Inverted
    boxes get their corners exchanged: tools that write where the mouse went down and up make them. Boxes that leave
    their image by more than `TOLERANCE` are cut off at its edge.

    Args:
        xyxy: (N, 4), in pixels.
        sizes: (N, 2), height and width of the image of each; 0 where it is not known.
    """
    with np.errstate(invalid="ignore"):
        finite: Array = np.asarray(np.isfinite(xyxy).all(1))
        inverted: Array = finite & (xyxy[:, :2] > xyxy[:, 2:]).any(1)
        fixed = np.concatenate([np.minimum(xyxy[:, :2], xyxy[:, 2:]), np.maximum(xyxy[:, :2], xyxy[:, 2:])], 1)
        empty: Array = finite & (fixed[:, :2] >= fixed[:, 2:]).any(1)
        has_size = np.asarray((sizes > 0).all(1))
        most = np.where(has_size[:, None], sizes[:, [1, 0, 1, 0]], np.inf).astype(np.float64)
        least = np.where(has_size[:, None], 0.0, -np.inf)
        outside: Array = finite & ~empty & ((fixed[:, 2:] <= least) | (fixed[:, :2] >= most[:, :2])).any(1)
        keep: Array = finite & ~empty & ~outside
        leaves: Array = keep & ((fixed < least - TOLERANCE) | (fixed > most + TOLERANCE)).any(1)
    fixed = np.where(leaves[:, None], np.clip(fixed, least, most), fixed)
    reasons: dict[int, str] = {}
    for row in np.flatnonzero(~keep | inverted | leaves).tolist():
        reasons[row] = _reason(xyxy[row].tolist(), sizes[row].tolist(), {
            "number": not finite[row], "empty": bool(empty[row]), "outside": bool(outside[row]),
            "leaves": bool(leaves[row]),
        })  # fmt: skip
    return fixed, keep, reasons


def _reason(xyxy: Sequence[float], size: Sequence[int], wrong: dict[str, bool]) -> str:
    box = f"the box ({', '.join(f'{value:.6g}' for value in xyxy)})"
    image = f"the image of {size[1]} x {size[0]}"
    if wrong["number"]:
        return f"{box} has a value that is no number; it was left out"
    if wrong["empty"]:
        return f"{box} has no area; it was left out"
    if wrong["outside"]:
        return f"{box} lies outside of {image}; it was left out"
    if wrong["leaves"]:
        return f"{box} leaves {image}; it was cut off at the edge"
    return f"{box} is inverted; its corners were exchanged"
