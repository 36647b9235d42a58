"""COCO's masks as lengths of runs: checked, packed, and the box around one without its pixels.

A mask {"counts", "size": [height, width]} tells, column by column, how many pixels in turn are off and on. `counts` is
a list, or text in which pycocotools packs it: six bits a character from "0" on, five of them of the number, least
first, the sixth set where more follow; from the fourth number on, it is the difference to the one two places before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Box = tuple[float, float, float, float]

_MAX_PIXELS = 1 << 40  # pixels: no image is that large
_LONGEST = 9  # characters of a number: 45 bits


def box_of(mask: Any) -> Box | None:
    """The box around all pixels that are on; None where none is, or where the mask is broken."""
    if not isinstance(mask, dict) or not isinstance(size := mask.get("size"), list) or len(size) != 2:
        return None
    counts = mask.get("counts")
    if isinstance(counts, str):
        counts = unpacked(counts)
    if not isinstance(counts, list) or not all(_is_whole(value) for value in [*size, *counts]):
        return None
    height, width = size
    if not height or not width or sum(counts) > height * width:
        return None
    return _around(counts, height)


def fault_of(mask: Any, height: int = 0, width: int = 0) -> str | None:
    """What is wrong with a mask as a file gives it; None where nothing is.

    Args:
        height, width: of the image, in pixels; 0 where they are not known.
    """
    size = mask.get("size") if isinstance(mask, dict) else None
    if not isinstance(size, list) or len(size) != 2 or not all(_is_whole(side) and side for side in size):
        return f"its run lengths have the size {size!r:.40}; expected height and width"
    counts = mask.get("counts")
    if isinstance(counts, str):
        counts = unpacked(counts)
        if counts is None:
            return "its run lengths are text that packs no numbers"
    if not isinstance(counts, list) or not all(map(_is_whole, counts)):
        return f"its run lengths are {counts!r:.40}; expected whole numbers that are not below 0"
    if height and width and size != [height, width]:
        return f"its run lengths are of an image of {size[1]} x {size[0]}, and its image is {width} x {height}"
    total = size[0] * size[1]
    if sum(counts) != total:
        return f"its run lengths are of {sum(counts)} pixels, and an image of {size[1]} x {size[0]} has {total}"
    return None


def packed(mask: Any) -> bytes:
    """The text of a mask without fault, whichever way it is given."""
    counts = mask["counts"]
    if isinstance(counts, str):
        return counts.encode()
    from hotcoco.mask import frPyObjects

    return bytes(frPyObjects(mask, *mask["size"])["counts"])


def pack(pixels: Array) -> bytes:
    """The text of the mask (H, W)."""
    from hotcoco.mask import encode

    return bytes(encode(np.ascontiguousarray(pixels, np.uint8))["counts"])


def run_lengths(flat: Array) -> list[int]:
    """How many values are off, then on, then off, ... in a row of booleans; the first number may be 0.

    >>> run_lengths(np.array([True, True, False]))
    [0, 2, 1]
    """
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    return np.diff(np.concatenate([[0], edges, [len(flat)]])).tolist()  # type: ignore[no-any-return]


def pixels_in(text: bytes, height: int, box: Sequence[int]) -> Array:
    """The pixels (bottom - top, right - left) of a mask inside of the box around it.

    Quicker than the whole image by as much as the box is smaller.

    Args:
        text: of a mask without fault.
        height: of the image, in pixels.
        box: xyxy, around all pixels that are on.
    """
    left, top, right, bottom = box
    counts = np.array(unpacked(text.decode()), np.int64)
    ends = np.cumsum(counts)[1::2]
    lengths = counts[1::2]
    ends, lengths = ends[lengths > 0], lengths[lengths > 0]
    change = np.zeros((right - left) * (bottom - top) + 1, np.int8)
    for places, after, step in ((ends - lengths, 0, 1), (ends - 1, 1, -1)):
        # A run that goes on in the next column fills the height of the image there, and so does the box.
        columns, rows = np.divmod(places, height)
        change[(columns - left) * (bottom - top) + rows - top + after] += step
    return np.cumsum(change[:-1], dtype=np.int8).astype(bool).reshape(right - left, bottom - top).T


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < _MAX_PIXELS


def unpacked(text: str) -> list[int] | None:
    """The lengths that a text packs; None where it packs none."""
    try:
        values = np.frombuffer(text.encode("latin-1"), np.uint8).astype(np.int64) - ord("0")
    except UnicodeEncodeError:
        return None
    if not len(values):
        return []
    last = np.flatnonzero((values & 32) == 0)
    if ((values < 0) | (values > 63)).any() or not len(last) or last[-1] != len(values) - 1:
        return None
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    if lengths.max() > _LONGEST:
        return None
    shifts = 5 * (np.arange(len(values)) - np.repeat(first, lengths))
    numbers = np.add.reduceat((values & 31) << shifts, first)
    numbers -= np.where(values[last] & 16, 1 << (5 * lengths), 0)  # the highest bit is the sign's
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers.tolist()


def _around(counts: Sequence[int], height: int) -> Box | None:
    columns: list[int] = []
    rows: list[int] = []
    place = 0
    for number, length in enumerate(counts):
        first, last, place = place, place + length - 1, place + length
        if number % 2 == 0 or not length:
            continue
        columns += (first // height, last // height)
        # A run over the foot of a column goes on at the head of the next.
        rows += (first % height, last % height) if first // height == last // height else (0, height - 1)
    if not columns:
        return None
    return float(columns[0]), float(min(rows)), float(columns[-1] + 1), float(max(rows) + 1)
