"""Images in files with boxes on them: the dataset that every format of boxes is read into."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zorki.contracts import Dataset
from zorki.data.images import MAX_PIXELS, check_image, decode_array, image_size, read_array
from zorki.errors import DataError
from zorki.input_files.content import read_bytes
from zorki.input_files.json_files import read_json
from zorki.types import ArraySample, Boxes, ClassInfo, Defect, Sample

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class BoxDataset(Dataset[Boxes]):
    """Images in files, and any number of boxes each.

    All boxes stand in one array, and those of image i are the rows `offsets[i]` to `offsets[i + 1]`: a dataset of a
    million boxes is a few arrays, quick to pickle and shared by forked workers.

    Args:
        names: paths relative to `folder`, or absolute ones.
        sizes: (N, 2), height and width of each image; 0 where nothing tells them.
        xyxy: (boxes, 4), float32, in pixels of the upright image.
        labels: (boxes,), places in `class_names`.
        crowd, difficult: (boxes,), or None where the data know no such thing.
        areas: (boxes,), by which an object counts as small or large: COCO's own, else the box's; None where the data
            give none.
        category_ids: the number that each class bears in COCO's files of results; its label + 1 where the data give
            none.
        image_ids: the number that each image bears there; None where the data give none.
        annotation_ids: COCO's, of each box; None where the data give none.
        segments: outlines of each box as they were found, see `ObjectRecord`; None unless they were asked for.
        embedded: images that lie inside of their annotation's JSON file.
    """

    root: Path
    folder: Path
    format: str
    reason: str
    class_names: list[str]
    names: list[str]
    sizes: Array
    xyxy: Array
    labels: Array
    offsets: Array
    splits: dict[str, list[int]]
    split_reason: str
    category_ids: list[int]
    crowd: Array | None = None
    difficult: Array | None = None
    areas: Array | None = None
    image_ids: list[int] | None = None
    annotation_ids: Array | None = None
    segments: list[Any] | None = None
    embedded: frozenset[int] = frozenset()
    defects: list[Defect] = field(default_factory=list)
    max_pixels: int = MAX_PIXELS

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample[Boxes]:
        """The image with its boxes. Raises DataError where it is broken, or not of the size that its boxes mean."""
        return self.arrays(index).tensors()

    def arrays(self, index: int) -> ArraySample:
        path = self.path(index)
        if index in self.embedded:
            image = decode_array(self.image_bytes(index), path, max_pixels=self.max_pixels)
        else:
            image = read_array(path, max_pixels=self.max_pixels)
        if (reason := self._other_size(index, (image.shape[1], image.shape[2]))) is not None:
            raise DataError(f"{path}: {reason}")
        return ArraySample(image, self.target_arrays(index), path)

    def rows(self, index: int) -> slice:
        """Where the boxes of an image stand in the arrays."""
        if not 0 <= index < len(self.names):
            raise IndexError(f"index {index} of {len(self.names)} images")
        return slice(int(self.offsets[index]), int(self.offsets[index + 1]))

    def target(self, index: int) -> Boxes:
        return self.target_arrays(index).tensors()

    def target_arrays(self, index: int) -> Boxes[Array]:
        rows = self.rows(index)
        return Boxes(
            self.xyxy[rows].copy(),  # copies: what is done to a sample must not reach the data
            self.labels[rows].astype(np.int64),
            crowd=None if self.crowd is None else self.crowd[rows].copy(),
            difficult=None if self.difficult is None else self.difficult[rows].copy(),
            areas=None if self.areas is None else self.areas[rows].copy(),
        )

    def path(self, index: int) -> Path:
        return self.folder / self.names[index]

    def size(self, index: int) -> tuple[int, int]:
        """Height and width, as the annotation or the image's header tells them; (0, 0) where neither does."""
        height, width = self.sizes[index].tolist()
        return height, width

    def class_info(self) -> ClassInfo:
        """The classes, with the numbers that the data themselves give them: not those that the reader made up."""
        numbers = None if self.image_ids is None else tuple(self.category_ids)
        return ClassInfo(tuple(self.class_names), category_ids=numbers)

    def check(self, index: int) -> Defect | None:
        path = self.path(index)
        try:
            if index in self.embedded:
                reason = self._other_size(index, image_size(self.image_bytes(index)))
            else:
                reason = check_image(path, self.max_pixels) or self._other_size(index, image_size(path))
        except DataError as error:
            reason = str(error).removeprefix(f"{path}: ")
        return None if reason is None else Defect(path, reason)

    def _other_size(self, index: int, found: tuple[int, int]) -> str | None:
        """What to say where the image is not of the size that its boxes were drawn on."""
        height, width = self.size(index)
        if (height, width) in ((0, 0), found):
            return None
        return (
            f"the image is {found[1]} x {found[0]} pixels, and its boxes were drawn on {width} x {height}: it was "
            "scaled or turned since; the image was left out"
        )

    def image_bytes(self, index: int) -> bytes:
        """The image's file, or what its annotation holds of one. Raises DataError."""
        path = self.path(index)
        try:
            if index not in self.embedded:
                return read_bytes(path)
            return base64.b64decode(read_json(path)["imageData"])
        except (OSError, ValueError, KeyError, TypeError, binascii.Error) as error:
            where = " inside of the file" if index in self.embedded else ""
            raise DataError(f"{path}: the image{where} cannot be read: {error}") from error
