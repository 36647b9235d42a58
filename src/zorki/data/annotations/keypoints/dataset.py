"""Images in files with objects and their joints: the dataset that every format of keypoints is read into."""

from __future__ import annotations

import dataclasses
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zorki.contracts import Dataset
from zorki.data.annotations.boxes.dataset import BoxDataset
from zorki.types import ArraySample, ClassInfo, Defect, Keypoints, Sample, Skeleton

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class KeypointDataset(Dataset[Keypoints]):
    """Images in files, and any number of objects with the joints of one skeleton each.

    Args:
        boxed: the images and the boxes of their objects.
        skeleton: of all of them.
        points: (objects, P, 2), float32, in pixels of the upright image.
        flags: (objects, P), 0 not labeled, 1 hidden, 2 visible.
        boxless: (objects,), whether the data give no box: that of `boxed` is then around the joints.
    """

    boxed: BoxDataset
    skeleton: Skeleton
    points: Array
    flags: Array
    boxless: Array
    root: Path = field(init=False)
    folder: Path = field(init=False)
    format: str = field(init=False)
    reason: str = field(init=False)
    class_names: list[str] = field(init=False)
    names: list[str] = field(init=False)
    splits: dict[str, list[int]] = field(init=False)
    split_reason: str = field(init=False)
    category_ids: list[int] = field(init=False)
    image_ids: list[int] | None = field(init=False)
    defects: list[Defect] = field(init=False)
    may_be_mirrored: bool = field(init=False)

    def __post_init__(self) -> None:
        data = self.boxed
        self.root, self.folder, self.format, self.reason = data.root, data.folder, data.format, data.reason
        self.class_names, self.names, self.defects = data.class_names, data.names, data.defects
        self.splits, self.split_reason = data.splits, data.split_reason
        self.category_ids, self.image_ids = data.category_ids, data.image_ids
        self.may_be_mirrored = self.skeleton.flip_pairs is not None

    def __len__(self) -> int:
        return len(self.boxed)

    def __getitem__(self, index: int) -> Sample[Keypoints]:
        """The image with its objects. Raises DataError where it is broken, or not of the size of its joints."""
        return self.arrays(index).tensors()

    def arrays(self, index: int) -> ArraySample:
        sample = self.boxed.arrays(index)
        return ArraySample(sample.image, self.target_arrays(index), sample.path)

    def target(self, index: int) -> Keypoints:
        """The objects; an image with one object that has no box is this object as a whole."""
        return self.target_arrays(index).tensors()

    def target_arrays(self, index: int) -> Keypoints[Array]:
        rows, boxes = self.boxed.rows(index), self.boxed.target_arrays(index)
        xyxy = boxes.xyxy
        if len(boxes) == 1 and self.boxless[rows.start]:
            height, width = self.size(index)
            xyxy = np.array([[0, 0, width, height]], np.float32)
        return Keypoints(
            self.points[rows].copy(),
            self.flags[rows].copy(),
            xyxy=xyxy,
            labels=boxes.labels,
            crowd=boxes.crowd,
            areas=boxes.areas,
        )

    def class_info(self) -> ClassInfo:
        return dataclasses.replace(self.boxed.class_info(), skeleton=self.skeleton)

    def path(self, index: int) -> Path:
        return self.boxed.path(index)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of the image."""
        return self.boxed.size(index)

    def check(self, index: int) -> Defect | None:
        return self.boxed.check(index)

    def mark(self, index: int) -> str:
        rows = self.boxed.rows(index)
        joints = self.points[rows].tobytes() + self.flags[rows].tobytes()
        return f"{self.boxed.mark(index)} {zlib.crc32(joints):08x}"
