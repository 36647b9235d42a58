"""Boxes of many images in columns: what all figures of detection are counted from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from zorki.types import Boxes

Rows = TypeVar("Rows", bound="Columns")


@dataclass(frozen=True)
class Columns:
    """Arrays of one length."""

    def where(self: Rows, which: ndarray) -> Rows:
        """Rows by a mask or an index."""
        return type(self)(**{f.name: getattr(self, f.name)[which] for f in fields(self)})


@dataclass(frozen=True)
class Truths(Columns):
    """Annotated boxes: `image` and `label` are places in lists, `xywh` is (left, top, width, height) in pixels.

    `area` decides whether an object is small, medium or large: that of its mask where one is known, as in COCO, else
    that of its box. `crowd` and `difficult` as in `Boxes`.
    """

    image: Int64[ndarray, " N"]
    xywh: Float64[ndarray, "N 4"]
    label: Int64[ndarray, " N"]
    area: Float64[ndarray, " N"]
    crowd: Bool[ndarray, " N"]
    difficult: Bool[ndarray, " N"]

    def __len__(self) -> int:
        return len(self.image)

    @property
    def counted(self) -> Bool[ndarray, " N"]:
        """Which ones have to be found."""
        return ~(self.crowd | self.difficult)


@dataclass(frozen=True)
class Detections(Columns):
    """Answered boxes; columns as in `Truths`, and a score each."""

    image: Int64[ndarray, " N"]
    xywh: Float64[ndarray, "N 4"]
    label: Int64[ndarray, " N"]
    score: Float64[ndarray, " N"]

    def __len__(self) -> int:
        return len(self.image)


def join(parts: Sequence[Rows]) -> Rows:
    """The rows of several parts, at least one, one after another."""
    if len(parts) == 1:
        return parts[0]
    names = [f.name for f in fields(parts[0])]
    return type(parts[0])(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def truths_of(targets: Sequence[Boxes], first: int = 0) -> Truths:
    """The annotations of images `first`, `first` + 1, ...; the area is the data's, else the box's."""
    image, xywh, label = _columns(targets, first)
    area = xywh[:, 2].clip(0) * xywh[:, 3].clip(0)
    start = 0
    for target in targets:
        if target.areas is not None:
            area[start : start + len(target)] = _array(target.areas, np.float64)
        start += len(target)
    return Truths(image, xywh, label, area, _flags(targets, "crowd"), _flags(targets, "difficult"))


def detections_of(predictions: Sequence[Boxes], first: int = 0) -> Detections:
    """The answers for images `first`, `first` + 1, ...

    A box with a coordinate that is no number stays in the count, as an empty one that finds nothing. Raises ValueError
    for answers without scores.
    """
    scores = [boxes.scores for boxes in predictions if boxes.scores is not None]
    if len(scores) < len(predictions):
        raise ValueError("a prediction has no scores; expected one for each box")
    score = torch.cat(scores) if scores else torch.empty(0)
    image, xywh, label = _columns(predictions, first)
    broken = ~np.isfinite(xywh).all(1)
    if broken.any():
        xywh[broken] = 0
    return Detections(image, xywh, label, np.nan_to_num(_array(score, np.float64)))


def rows_by_class(label: Int64[ndarray, " N"], num_classes: int) -> list[ndarray]:
    """The rows of each class, in their order."""
    rows = np.argsort(label, kind="stable")
    return np.split(rows, np.searchsorted(label[rows], np.arange(1, num_classes)))


def _columns(boxes: Sequence[Boxes], first: int) -> tuple[ndarray, ndarray, ndarray]:
    counts = [len(part) for part in boxes]
    image = np.repeat(np.arange(first, first + len(boxes), dtype=np.int64), counts)
    if not boxes:
        return image, np.empty((0, 4)), np.empty(0, np.int64)
    xywh = _array(torch.cat([part.xyxy for part in boxes]), np.float64).reshape(-1, 4)
    xywh[:, 2:] -= xywh[:, :2]  # in double precision, where it is exact
    return image, xywh, _array(torch.cat([part.labels for part in boxes]), np.int64)


def _array(column: torch.Tensor, dtype: type) -> ndarray:
    column = column.detach().cpu()
    return (column.float() if column.dtype == torch.bfloat16 else column).numpy().astype(dtype)


def _flags(targets: Sequence[Boxes], name: str) -> ndarray:
    flags = [getattr(target, name) for target in targets]
    if all(flag is None for flag in flags):
        return np.zeros(sum(len(target) for target in targets), bool)
    parts = [np.zeros(len(t), bool) if f is None else _array(f, bool) for f, t in zip(flags, targets, strict=True)]
    return np.concatenate(parts)
