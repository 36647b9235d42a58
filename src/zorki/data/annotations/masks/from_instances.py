"""Masks of objects read as a class for every pixel: COCO, labelme, VIA and their like for semantic segmentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zorki.contracts import Dataset
from zorki.data.annotations.masks.dataset import IGNORE
from zorki.errors import DataError
from zorki.types import ArraySample, Defect, Instances, Mask, Sample

Array = np.ndarray[Any, np.dtype[Any]]

BACKGROUND = "background"
"""Class 0: pixels of no object. Objects of a class of this name belong to it."""


@dataclass
class MasksFromInstances(Dataset[Mask]):
    """The images of another dataset with the class of every pixel.

    Class 0 is the background, and an object of class k is of class k + 1. Later objects lie on top of earlier ones.
    Crowds are ignored where no single object lies on them, since they hold more than their class; so are difficult
    objects.
    """

    objects: Dataset[Instances]
    root: Path = field(init=False)
    format: str = field(init=False)
    reason: str = field(init=False)
    class_names: list[str] = field(init=False)
    splits: dict[str, list[int]] = field(init=False)
    split_reason: str = field(init=False)
    defects: list[Defect] = field(init=False)

    def __post_init__(self) -> None:
        data = self.objects
        self.root, self.format, self.reason = data.root, data.format, data.reason
        self.splits, self.split_reason, self.defects = data.splits, data.split_reason, data.defects
        self.in_memory, self.may_be_mirrored = data.in_memory, data.may_be_mirrored
        self.class_names = [BACKGROUND, *(name for name in data.class_names if name != BACKGROUND)]
        if len(self.class_names) > IGNORE:
            raise DataError(
                f"{data.root}: {len(self.class_names)} classes with the background; a map of classes holds {IGNORE}"
            )
        places = {name: place for place, name in enumerate(self.class_names)}
        self._values = [places[name] for name in data.class_names]

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, index: int) -> Sample[Mask]:
        return self.arrays(index).tensors()

    def arrays(self, index: int) -> ArraySample:
        sample = self.objects.arrays(index)
        assert isinstance(sample.target, Instances)
        return ArraySample(sample.image, self._painted(sample.target), sample.path)

    def target(self, index: int) -> Mask:
        return self.target_arrays(index).tensors()

    def target_arrays(self, index: int) -> Mask[Array]:
        return self._painted(self.objects.target_arrays(index))

    def path(self, index: int) -> Path:
        return self.objects.path(index)

    def check(self, index: int) -> Defect | None:
        return self.objects.check(index)

    def mark(self, index: int) -> str:
        return self.objects.mark(index)

    def _painted(self, found: Instances[Array]) -> Mask[Array]:
        classes = np.zeros(found.masks.shape[1:], np.int64)
        none = np.zeros(len(found), bool)
        ignored = (none if found.crowd is None else found.crowd) | (
            none if found.difficult is None else found.difficult
        )
        # Corners of tight boxes are whole numbers: painting stays within them.
        boxes = found.xyxy.astype(int).tolist()
        for row in [*np.flatnonzero(ignored).tolist(), *np.flatnonzero(~ignored).tolist()]:
            left, top, right, bottom = boxes[row]
            value = IGNORE if ignored[row] else self._values[int(found.labels[row])]
            classes[top:bottom, left:right][found.masks[row, top:bottom, left:right]] = value
        return Mask(classes, IGNORE)
