"""COCO's masks as lengths of runs: the box around one, without its pixels.

A mask {"counts", "size": [height, width]} tells, column by column, how many pixels in turn are off and on. `counts` is
a list, or text in which pycocotools packs it: six bits a character from "0" on, five of them of the number, least
first, the sixth set where more follow; from the fourth number on, it is the difference to the one two places before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Box = tuple[float, float, float, float]

_MOST = 1 << 40  # pixels: no picture is that large


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


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < _MOST


def unpacked(text: str) -> list[int] | None:
    """The lengths that a text packs; None where it packs none."""
    counts: list[int] = []
    number = shift = 0
    for character in text:
        value = ord(character) - ord("0")
        if not 0 <= value < 64 or shift > 60:
            return None
        number |= (value & 31) << shift
        shift += 5
        if value & 32:
            continue
        if value & 16:  # the highest bit is the sign's
            number -= 1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number = shift = 0
    return counts if shift == 0 else None


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
