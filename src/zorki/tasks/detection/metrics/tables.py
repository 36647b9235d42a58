"""Boxes of many images as the tables that metrics are counted from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

from zorki.metrics.tables import DetectionTable, GroundTruthTable
from zorki.types import Boxes
from zorki.types.arrays import array_of

if TYPE_CHECKING:
    from torch import Tensor


def ground_truths_of(targets: Sequence[Boxes], first: int = 0) -> GroundTruthTable:
    """The annotations of images `first`, `first` + 1, ...; the area is that of the data, else that of the box."""
    image, xywh, label = _columns(targets, first)
    area = xywh[:, 2].clip(0) * xywh[:, 3].clip(0)
    start = 0
    for target in targets:
        if target.areas is not None:
            area[start : start + len(target)] = _array(target.areas, np.float64)
        start += len(target)
    return GroundTruthTable(image, xywh, label, area, _flags(targets, "crowd"), _flags(targets, "difficult"))


def detections_of(predictions: Sequence[Boxes], first: int = 0) -> DetectionTable:
    """The predictions for images `first`, `first` + 1, ...

    A box with a coordinate that is no number stays in the count, as an empty one that finds nothing. Raises ValueError
    for predictions without scores.
    """
    scores = [_array(boxes.scores, np.float64) for boxes in predictions if boxes.scores is not None]
    if len(scores) < len(predictions):
        raise ValueError("a prediction has no scores; expected one for each box")
    score = np.concatenate(scores) if scores else np.empty(0)
    image, xywh, label = _columns(predictions, first)
    broken = ~np.isfinite(xywh).all(1)
    if broken.any():
        xywh[broken] = 0
    return DetectionTable(image, xywh, label, np.nan_to_num(score))


def _columns(boxes: Sequence[Boxes], first: int) -> tuple[ndarray, ndarray, ndarray]:
    counts = [len(part) for part in boxes]
    image = np.repeat(np.arange(first, first + len(boxes), dtype=np.int64), counts)
    if not boxes:
        return image, np.empty((0, 4)), np.empty(0, np.int64)
    xywh = np.concatenate([_array(part.xyxy, np.float64).reshape(-1, 4) for part in boxes])
    xywh[:, 2:] -= xywh[:, :2]  # in double precision, where it is exact
    return image, xywh, np.concatenate([_array(part.labels, np.int64) for part in boxes])


def _array(column: Tensor | ndarray, dtype: type) -> ndarray:
    if not isinstance(column, ndarray) and str(column.dtype) == "torch.bfloat16":  # which numpy does not know
        column = column.float()
    return array_of(column).astype(dtype)


def _flags(targets: Sequence[Boxes], name: str) -> ndarray:
    flags = [getattr(target, name) for target in targets]
    if all(flag is None for flag in flags):
        return np.zeros(sum(len(target) for target in targets), bool)
    parts = [np.zeros(len(t), bool) if f is None else _array(f, bool) for f, t in zip(flags, targets, strict=True)]
    return np.concatenate(parts)
