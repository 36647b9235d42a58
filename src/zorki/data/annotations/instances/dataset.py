"""Images in files with objects and their masks: the dataset that every format of masks of objects is read into."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zorki.contracts import Dataset
from zorki.data.annotations.boxes.dataset import BoxDataset
from zorki.ops.rle import pixels_in
from zorki.types import ArraySample, Boxes, ClassInfo, Defect, Instances, Sample

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class InstanceDataset(Dataset[Instances]):
    """Images in files, and any number of objects with a mask each.

    Masks are kept as packed run lengths, a few hundred bytes each, all in one array that forked workers share. They
    become pixels when a sample is asked for.

    Args:
        boxed: the images and their objects; its boxes are tight around the masks.
        counts: uint8: the run lengths of all objects, packed as COCO packs them, one after the other.
        bounds: (objects + 1,): where each object's begin and end in `counts`.
    """

    boxed: BoxDataset
    counts: Array
    bounds: Array
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

    def __post_init__(self) -> None:
        data = self.boxed
        self.root, self.folder, self.format, self.reason = data.root, data.folder, data.format, data.reason
        self.class_names, self.names, self.defects = data.class_names, data.names, data.defects
        self.splits, self.split_reason = data.splits, data.split_reason
        self.category_ids, self.image_ids = data.category_ids, data.image_ids

    def __len__(self) -> int:
        return len(self.boxed)

    def __getitem__(self, index: int) -> Sample[Instances]:
        """The image with its objects. Raises DataError where it is broken, or not of the size of its masks."""
        return self.arrays(index).tensors()

    def arrays(self, index: int) -> ArraySample:
        sample = self.boxed.arrays(index)
        return ArraySample(sample.image, self.target_arrays(index), sample.path)

    def target(self, index: int) -> Instances:
        """The objects; a mask takes as many bytes as the image has pixels."""
        return self.target_arrays(index).tensors()

    def target_arrays(self, index: int) -> Instances[Array]:
        boxes, (height, width) = self.boxed.target_arrays(index), self.size(index)
        masks = np.zeros((len(boxes), height, width), bool)
        for place, (row, box) in enumerate(zip(self._rows(index), boxes.xyxy.astype(int).tolist(), strict=True)):
            left, top, right, bottom = box
            masks[place, top:bottom, left:right] = pixels_in(self._counts(row), height, box)
        return Instances(
            boxes.xyxy, boxes.labels, masks, crowd=boxes.crowd, difficult=boxes.difficult, areas=boxes.areas
        )

    def class_info(self) -> ClassInfo:
        return self.boxed.class_info()

    def boxes(self, index: int) -> Boxes:
        """The same objects without their masks; quick, and small."""
        return self.boxed.target(index)

    def run_lengths(self, index: int) -> list[dict[str, Any]]:
        """The masks of an image as COCO's tools take them: {"size": [height, width], "counts": packed bytes}."""
        size = list(self.size(index))
        return [{"size": size, "counts": self._counts(row)} for row in self._rows(index)]

    def path(self, index: int) -> Path:
        return self.boxed.path(index)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of the image, and of its masks."""
        return self.boxed.size(index)

    def check(self, index: int) -> Defect | None:
        return self.boxed.check(index)

    def mark(self, index: int) -> str:
        rows = self.boxed.rows(index)
        packed = self.counts[self.bounds[rows.start] : self.bounds[rows.stop]]
        return f"{self.boxed.mark(index)} {zlib.crc32(packed.tobytes()):08x}"

    def _rows(self, index: int) -> range:
        rows = self.boxed.rows(index)
        return range(rows.start, rows.stop)

    def _counts(self, row: int) -> bytes:
        return self.counts[self.bounds[row] : self.bounds[row + 1]].tobytes()
