"""Maps with a number for every object: taken apart into one mask each, and told from maps of classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zorki.data.annotations.masks.stored import StoredMask, read_stored
from zorki.data.images import open_image
from zorki.errors import DataError

Array = np.ndarray[Any, np.dtype[Any]]

VOID = 255
"""In a map of 8 bits without 254: what is ignored, such as the seams around objects."""

_SPARSE = 4  # a box of so many times the pixels of its object is worth a look at the parts within


@dataclass(frozen=True)
class InstanceMap:
    """A map as a file holds it: the number of every pixel (H, W), 0 where there is no object.

    `narrow`: the file has 8 bits or fewer. `void`: how many pixels it marked with 255, which are ignored; they are 0
    here.
    """

    values: Array
    narrow: bool
    void: int


@dataclass(frozen=True)
class MapInstance:
    """One object of a map: its number, its pixels as packed run lengths, how many they are, and the box around."""

    number: int
    text: bytes
    pixels: int
    xyxy: tuple[int, int, int, int]


def read_numbers(path: Path) -> InstanceMap:
    """The map in a file.

    Raises:
        DataError: the file is broken, or holds colors, or smeared or negative numbers.
    """
    return numbers_in(read_stored(path), path)


def numbers_in(stored: StoredMask, path: Path) -> InstanceMap:
    """The map in what was read from a file. Raises DataError: it holds colors, or smeared or negative numbers."""
    if (reason := _no_numbers(stored)) is not None:
        raise DataError(f"{path}: {reason}")
    with open_image(path) as image:
        narrow = not image.mode.startswith(("I", "F"))
    values = stored.values & 255 if stored.rgb else stored.values
    void = int((values == VOID).sum()) if narrow and not bool((values == VOID - 1).any()) else 0
    return InstanceMap(np.where(values == VOID, 0, values) if void else values, narrow, void)


def _no_numbers(stored: StoredMask) -> str | None:
    values = stored.values
    if stored.lossy:
        return "a JPEG smears numbers; expected a PNG or TIFF with a number for every object"
    if stored.rgb and not bool((values == (values & 255) * 0x010101).all()):
        return "expected a number for every object (gray or a palette), and it holds colors"
    if values.dtype.kind == "i":
        return f"it holds the number {int(values.min())}; expected 0 for no object, and others above"
    return None


def objects_in(values: Array) -> list[MapInstance]:
    """The objects of a map (H, W) of whole numbers, in the order of their numbers; 0 is none."""
    height, width = values.shape
    columns = values.T.ravel()
    starts = np.concatenate([[0], np.flatnonzero(columns[1:] != columns[:-1]) + 1])
    ends = np.append(starts[1:], len(columns))
    numbers = columns[starts]
    order = np.argsort(numbers, kind="stable")
    order = order[numbers[order] != 0]
    if not len(order):
        return []
    present, first = np.unique(numbers[order], return_index=True)
    found = []
    for number, runs in zip(present.tolist(), np.split(order, first[1:]), strict=True):
        found.append(_object(number, starts[runs], ends[runs], height, width))
    return found


def _object(number: int, starts: Array, ends: Array, height: int, width: int) -> MapInstance:
    from hotcoco.mask import frPyObjects

    edges = np.stack([starts, ends], 1).ravel()
    counts = np.diff(edges, prepend=0, append=height * width)
    counts = counts if counts[-1] else counts[:-1]  # as others pack it
    text = bytes(frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)["counts"])
    first, last = starts // height, (ends - 1) // height
    # A run over the foot of a column goes on at the head of the next.
    whole = bool((first != last).any())
    top = 0 if whole else int((starts % height).min())
    bottom = height if whole else int(((ends - 1) % height).max()) + 1
    box = int(first[0]), top, int(last[-1]) + 1, bottom
    return MapInstance(number, text, int((ends - starts).sum()), box)


def scattered(values: Array, found: Sequence[MapInstance]) -> Iterator[tuple[MapInstance, int, int]]:
    """Objects of which a part lies further from the largest one than that is long: which, in how many parts, how far.

    One number for two objects looks so, and numbers cut to 8 bits do.
    """
    from scipy import ndimage

    for thing in found:
        left, top, right, bottom = thing.xyxy
        if (right - left) * (bottom - top) < _SPARSE * thing.pixels:
            continue
        parts, count = ndimage.label(values[top:bottom, left:right] == thing.number, np.ones((3, 3)))
        if count < 2:
            continue
        boxes = np.array([[span.start for span in part] + [span.stop for span in part]
                          for part in ndimage.find_objects(parts)])  # fmt: skip
        largest = boxes[int(np.argmax(np.bincount(parts.ravel())[1:]))]
        gaps = np.maximum(boxes[:, :2] - largest[2:], largest[:2] - boxes[:, 2:]).max(1)
        if (gap := int(gaps.max())) > int((largest[2:] - largest[:2]).max()):
            yield thing, count, gap


def in_one_piece(values: Array, thing: MapInstance) -> bool:
    """Whether all pixels of an object are connected, by sides or corners."""
    from scipy import ndimage

    left, top, right, bottom = thing.xyxy
    return int(ndimage.label(values[top:bottom, left:right] == thing.number, np.ones((3, 3)))[1]) == 1
