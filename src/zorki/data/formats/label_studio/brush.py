"""Label Studio's run lengths of brushes: RGBA pixels, row after row, packed into bits; the mask is the alpha.

The packing is that of @thi.ng/rle-pack 2: 32 bits for how many values there are, 5 bits for the width of a value less
1, four times 4 bits for widths of counts less 1. Then each block begins with a bit: 1 for a value that repeats, 0 for
values as they are; two bits choose the width of the count, the count less 1 follows, and then the value or the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zorki.data.annotations.instances.object_masks import object_mask_in
from zorki.data.images import MAX_PIXELS, size_reason

Array = np.ndarray[Any, np.dtype[Any]]

_WIDTHS = (3, 4, 8, 16)  # bits of counts, as Label Studio's own encoder has them
_BITS = 8  # of a value


def pixels_of_brush(code: Sequence[int], height: int, width: int) -> Array:
    """The mask (H, W), bool: alpha of 128 and more, since brushes have soft edges; of one value alone, that value.

    Raises:
        ValueError: the code is broken or of another size.
    """
    try:
        data = np.array(code, np.int64)
    except (TypeError, ValueError, OverflowError):
        data = np.full(1, -1)
    if data.ndim != 1 or not bool(((data >= 0) & (data < 256)).all()):
        raise ValueError("its run lengths are no list of bytes")
    if (beyond := size_reason((width, height), MAX_PIXELS)) is not None:
        raise ValueError(beyond)
    values = _unpacked(np.unpackbits(data.astype(np.uint8)), height * width * 4)
    return object_mask_in(values.reshape(height, width, 4)[..., 3]).of(smeared=True)


def _unpacked(bits: Array, length: int) -> Array:
    place = 0

    def take(count: int) -> int:
        nonlocal place
        if place + count > len(bits):
            raise ValueError("its run lengths break off")
        number = int.from_bytes(
            np.packbits(np.concatenate([np.zeros(-count % 8, np.uint8), bits[place : place + count]]))
        )
        place += count
        return number

    total = take(32)
    if total != length:
        raise ValueError(f"its run lengths are of {total / 4:g} pixels, and its image has {length // 4}")
    size = take(5) + 1
    widths = [take(4) + 1 for _ in range(4)]
    if size > _BITS:
        raise ValueError(f"its values have {size} bits; expected {_BITS} at most")
    found = np.zeros(total, np.uint8)
    weights = 1 << np.arange(size - 1, -1, -1)
    done = 0
    while done < total:
        repeats = take(1)
        count = take(widths[take(2)]) + 1
        if done + count > total:
            raise ValueError("its run lengths are longer than they say")
        if repeats:
            found[done : done + count] = take(size)
        else:
            if place + count * size > len(bits):
                raise ValueError("its run lengths break off")
            found[done : done + count] = bits[place : place + count * size].reshape(count, size) @ weights
            place += count * size
        done += count
    return found


def brush_of(mask: Array) -> list[int]:
    """A mask (H, W), bool, as Label Studio packs it: white where it is, nothing elsewhere.

    >>> mask = np.array([[True, False], [False, True]])
    >>> pixels_of_brush(brush_of(mask), 2, 2).tolist()
    [[True, False], [False, True]]
    """
    flat = np.asarray(mask, bool).ravel()
    edges = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]])[: flat.size + 1]
    most = 1 << _WIDTHS[-1]
    parts: list[str] = [format(flat.size * 4, "032b"), format(_BITS - 1, "05b")]
    parts += [format(width - 1, "04b") for width in _WIDTHS]
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        left = (end - start) * 4
        value = format(255 if flat[start] else 0, "08b")
        while left:
            count = min(left, most)
            which = next(place for place, width in enumerate(_WIDTHS) if count <= 1 << width)
            parts.append(f"1{which:02b}{count - 1:0{_WIDTHS[which]}b}{value}")
            left -= count
    text = "".join(parts)
    text += "0" * (-len(text) % 8)
    return [int(text[place : place + 8], 2) for place in range(0, len(text), 8)]
