"""The boxes that a model which tracks is told, by the frame in which they hold."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from zorki.errors import RecipeError
from zorki.input_files.numbers import number_in
from zorki.types import Boxes

EXPECTED = "expected x,y,width,height in pixels, or FRAME:x,y,width,height, such as 10,20,50,80 or 120:14,20,50,80"


def parse_boxes(texts: Sequence[str]) -> dict[int, Boxes]:
    """The boxes of each frame that is named, as they are typed; without a number, of the first, which is frame 0.

    >>> parse_boxes(["1,2,30,40", "8:5,6,30,40"])[8].xyxy.tolist()
    [[5.0, 6.0, 35.0, 46.0]]

    Raises:
        RecipeError: a text is no box.
    """
    rows: dict[int, list[tuple[float, float, float, float]]] = {}
    for text in texts:
        place, colon, numbers = text.rpartition(":")
        values = [number_in(word.strip()) for word in numbers.split(",")]
        if (colon and not place.strip().isdecimal()) or len(values) != 4 or not all(map(math.isfinite, values)):
            raise RecipeError(f"--box {text!r}: {EXPECTED}")
        x, y, width, height = values
        if not (width > 0 and height > 0):
            raise RecipeError(f"--box {text!r}: its width and height must be above 0; {EXPECTED}")
        rows.setdefault(int(place) if colon else 0, []).append((x, y, x + width, y + height))
    return {frame: boxes_from_rows(found) for frame, found in rows.items()}


def boxes_from_rows(rows: Sequence[tuple[float, float, float, float]]) -> Boxes:
    """Boxes of xyxy rows, of the one class that there is."""
    xyxy = torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)
    return Boxes(xyxy, torch.zeros(len(xyxy), dtype=torch.int64))
