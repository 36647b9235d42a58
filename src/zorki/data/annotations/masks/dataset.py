"""Images in files with a mask file each: the dataset that formats of images and masks are read into."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from zorki.contracts import Dataset
from zorki.data.annotations.masks.stored import Palette, StoredMask, read_stored, shown_colors
from zorki.data.images import MAX_PIXELS, check_image, file_reason, read_array
from zorki.errors import DataError
from zorki.input_files.content import read_bytes
from zorki.types import ArraySample, ClassInfo, Defect, Mask, Sample

Array = np.ndarray[Any, np.dtype[Any]]

IGNORE = 255
"""The label of pixels that are ignored."""


_LARGEST_TABLE = 1 << 20  # values that are looked up in a table as long as the largest


@dataclass(frozen=True)
class ClassMap:
    """Which label each stored value, or each color, means; those that it does not know are ignored.

    Args:
        keys: rising: values, or colors 0xRRGGBB.
        labels: of each key, 0..254, or `IGNORE`.
        by_color: keys are the colors that pixels are shown in; of a file with a palette, the palette's.
        halved: the files whose values are split in the middle first, into 0 and 255: JPEGs, or all.
    """

    keys: Array
    labels: Array
    by_color: bool = False
    halved: Literal["none", "lossy", "all"] = "none"

    @classmethod
    def of(
        cls, labels: Mapping[int, int], by_color: bool = False, halved: Literal["none", "lossy", "all"] = "none"
    ) -> ClassMap:
        """From {key: label}."""
        keys = sorted(labels)
        return cls(np.array(keys, np.int64), np.array([labels[key] for key in keys], np.uint8), by_color, halved)

    def __call__(self, stored: StoredMask) -> Array:
        """(H, W), int64: the label of every pixel."""
        if self.halved == "all" or (self.halved == "lossy" and stored.lossy):
            stored = stored.halved()
        if self.by_color and stored.rgb:
            return self.look_up(stored.values)
        values = stored.values & 255 if stored.rgb else stored.values
        if self.by_color:
            return self.look_up(shown_colors(stored.palette))[np.clip(values, 0, 255)]
        if len(self.keys) and self.keys[-1] > _LARGEST_TABLE:
            return self.look_up(values)
        # One entry more stands for all values beyond, and for negative ones.
        table = np.full(int(self.keys[-1]) + 2 if len(self.keys) else 1, IGNORE, np.int64)
        named = self.keys >= 0
        table[self.keys[named]] = self.labels[named]
        last = len(table) - 1
        if values.dtype.kind == "i":
            values = np.where(values < 0, last, values)
        return table.take(values if last > np.iinfo(values.dtype).max else np.minimum(values, last))

    def look_up(self, keys: Array) -> Array:
        """The labels of keys of any shape, as int64."""
        if len(self.keys) == 0:
            return np.full(keys.shape, IGNORE, np.int64)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, self.labels[places], IGNORE).astype(np.int64)


@dataclass(frozen=True)
class SegmentMaps:
    """A `ClassMap` of colors for each mask, where a color is a segment and means nothing in another mask.

    Args:
        colors, labels: of all masks, one after the other; the colors of each are rising.
        bounds: (N + 1,), where each mask's begin and end.
    """

    colors: Array
    labels: Array
    bounds: Array

    @classmethod
    def of(cls, maps: Sequence[ClassMap]) -> SegmentMaps:
        """All in three arrays, which workers share."""
        bounds = np.cumsum([0, *(len(one.keys) for one in maps)]).astype(np.int64)
        colors = np.concatenate([np.zeros(0, np.int64), *(one.keys for one in maps)])
        return cls(colors, np.concatenate([np.zeros(0, np.uint8), *(one.labels for one in maps)]), bounds)

    def __getitem__(self, index: int) -> ClassMap:
        own = slice(self.bounds[index], self.bounds[index + 1])
        return ClassMap(self.colors[own], self.labels[own], by_color=True)

    def subset(self, kept: Sequence[int]) -> SegmentMaps:
        """Those of some masks, in that order."""
        return SegmentMaps.of([self[index] for index in kept])


@dataclass
class MaskDataset(Dataset[Mask]):
    """Images in files, and a class for every pixel of each, in another file.

    Masks are decoded when they are asked for.

    Args:
        names: of the images: paths relative to `folder`, or absolute ones.
        masks: of the masks, likewise.
        sizes: (N, 2), height and width of each image, and of its mask.
        class_map: from what the masks store to labels.
        counts: (N, K), int64: the pixels of each class in each mask.
        palette: the data's own colors of the classes, 0..255; None where they have none, or not one for each.
        segments: the labels of each mask's segments, in place of `class_map`; None where numbers mean classes.
    """

    root: Path
    folder: Path
    format: str
    reason: str
    class_names: list[str]
    names: list[str]
    masks: list[str]
    sizes: Array
    class_map: ClassMap
    counts: Array
    splits: dict[str, list[int]]
    split_reason: str
    palette: Palette | None = None
    defects: list[Defect] = field(default_factory=list)
    max_pixels: int = MAX_PIXELS
    segments: SegmentMaps | None = None

    def __len__(self) -> int:
        return len(self.names)

    def class_info(self) -> ClassInfo:
        """The classes, with their colors where the data have such."""
        colors = self.palette and tuple((int(red), int(green), int(blue)) for red, green, blue in self.palette)
        return ClassInfo(tuple(self.class_names), palette=colors or None)

    def __getitem__(self, index: int) -> Sample[Mask]:
        """The image with its mask. Raises DataError where one is broken, or they differ in size."""
        return self.arrays(index).tensors()

    def arrays(self, index: int) -> ArraySample:
        path = self.path(index)
        image = read_array(path, max_pixels=self.max_pixels)
        mask = self.target_arrays(index)
        if image.shape[1:] != mask.classes.shape:
            raise DataError(f"{self.mask_path(index)}: {other_size(image.shape[1:], mask.classes.shape)}")
        return ArraySample(image, mask, path)

    def target(self, index: int) -> Mask:
        """The mask; the image is not looked at. Raises DataError where its file is broken."""
        return self.target_arrays(index).tensors()

    def target_arrays(self, index: int) -> Mask[Array]:
        stored = read_stored(self.mask_path(index), max_pixels=self.max_pixels)
        class_map = self.class_map if self.segments is None else self.segments[index]
        return Mask(class_map(stored), IGNORE)

    def mark(self, index: int) -> str:
        """A hash of the mask's file, which is not decoded, and of its segments' labels.

        Raises:
            DataError: the file cannot be read.
        """
        path = self.mask_path(index)
        try:
            own = hashlib.sha256(read_bytes(path))
        except OSError as error:
            raise DataError(f"{path}: {file_reason(path, error)}") from error
        if self.segments is not None:
            segments = self.segments[index]
            own.update(segments.keys.tobytes() + segments.labels.tobytes())
        return own.hexdigest()

    def path(self, index: int) -> Path:
        return self.folder / self.names[index]

    def mask_path(self, index: int) -> Path:
        return self.folder / self.masks[index]

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of the image."""
        height, width = self.sizes[index].tolist()
        return height, width

    def check(self, index: int) -> Defect | None:
        for path in (self.path(index), self.mask_path(index)):
            if (reason := check_image(path, self.max_pixels)) is not None:
                return Defect(path, reason)
        return None


def other_size(image: tuple[int, ...], mask: tuple[int, ...]) -> str:
    """What to say where a mask is not of its image's size; both are (height, width)."""
    words = f"the mask is {mask[1]} x {mask[0]} pixels, and its image {image[1]} x {image[0]}"
    if tuple(image) == tuple(reversed(mask)):
        words += ", which its EXIF orientation may have turned: turn the mask too"
    return words
