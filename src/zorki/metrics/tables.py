"""Objects of many images in columns: what average precision, matching and error types are counted from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy import ndarray

if TYPE_CHECKING:
    from jaxtyping import Bool, Float64, Int64

Rows = TypeVar("Rows", bound="Table")


@dataclass(frozen=True)
class Table:
    """Arrays of one length."""

    def where(self: Rows, which: ndarray) -> Rows:
        """Rows by a mask or an index."""
        return type(self)(**{f.name: getattr(self, f.name)[which] for f in fields(self)})


@dataclass(frozen=True)
class GroundTruthTable(Table):
    """Annotated objects: `image` and `label` are places in lists, `xywh` is (left, top, width, height) in pixels.

    `area`, in pixels, decides whether an object is small, medium or large: that of its mask where one is known, as in
    COCO, else that of its box. `crowd` marks regions of many objects (COCO's iscrowd), `difficult` objects that need
    not be found (Pascal VOC).
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
    def positive(self) -> Bool[ndarray, " N"]:
        """Objects that have to be found: neither crowds nor difficult."""
        return ~(self.crowd | self.difficult)


@dataclass(frozen=True)
class DetectionTable(Table):
    """Predicted objects; columns as in `GroundTruthTable`, and a score each."""

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


def rows_by_class(label: Int64[ndarray, " N"], num_classes: int) -> list[ndarray]:
    """The rows of each class, in their order."""
    rows = np.argsort(label, kind="stable")
    return np.split(rows, np.searchsorted(label[rows], np.arange(1, num_classes)))
