"""Where images lie on their canvases, and positions for what they cover."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64, Num
from torch import Tensor


def lines_of(
    valid: Int64[Tensor, "B 4"], height: int, width: int
) -> tuple[Bool[Tensor, "B {height}"], Bool[Tensor, "B {width}"]]:
    """Which rows and which columns of a canvas the image covers, by its edges (xyxy in whole pixels)."""
    left, top, right, bottom = valid[:, :, None].unbind(1)
    row, column = torch.arange(height, device=valid.device), torch.arange(width, device=valid.device)
    return (row >= top) & (row < bottom), (column >= left) & (column < right)


def covered_lines(
    inputs: Num[Tensor, "B C H W"], color: Sequence[int]
) -> tuple[Bool[Tensor, "B H"], Bool[Tensor, "B W"]]:
    """The same read from the pixels, where the canvas around the image is all of one color.

    For exported networks, which are given pixels alone: an image loses outer lines that are of that color. From the
    first to the last that has a pixel of another color. An image that is all of that color covers all.
    """
    differs = (inputs != inputs.new_tensor(color)[:, None, None]).any(1)
    return _from_first_to_last(differs.any(2)), _from_first_to_last(differs.any(1))


def frames_of(rows: Bool[Tensor, "B H"], columns: Bool[Tensor, "B W"]) -> Int64[Tensor, "B 4"]:
    """The edges of the covered part, xyxy in pixels; lines must be covered in one piece."""
    left, top = columns.int().argmax(1), rows.int().argmax(1)
    return torch.stack([left, top, left + columns.sum(1), top + rows.sum(1)], 1)


def shrink_lines(lines: Bool[Tensor, "B N"], size: int) -> Bool[Tensor, "B size"]:
    """The same for a map of `size` lines: a line of the map counts where any line of the input in it does."""
    ends = torch.arange(size + 1, device=lines.device) * lines.shape[1]
    counts = torch.nn.functional.pad(lines.int().cumsum(1), (1, 0))
    first, last = ends[:-1] // size, (ends[1:] + size - 1) // size
    return counts[:, last] > counts[:, first]


def sine_positions(
    rows: Bool[Tensor, "B H"], columns: Bool[Tensor, "B W"], width: int, *, temperature: float = 10000.0
) -> Float[Tensor, "B HW D"]:
    """Sines and cosines of y (first half of D) and x, which run to 2 pi over the covered part; row by row.

    Vaswani et al. (2017), section 3.5, in two dimensions (Carion et al., 2020, appendix A.4, and the authors' code).
    `width` is D, a multiple of 4.
    """
    if width % 4:
        raise ValueError(f"the width of positions must be a multiple of 4, not {width}")
    y, x = (_waves(lines, width // 2, temperature) for lines in (rows, columns))
    height, breadth = y.shape[1], x.shape[1]
    both = [y[:, :, None].expand(-1, -1, breadth, -1), x[:, None].expand(-1, height, -1, -1)]
    return torch.cat(both, -1).flatten(1, 2)


def _waves(lines: Bool[Tensor, "B N"], width: int, temperature: float) -> Float[Tensor, "B N D"]:
    place = lines.int().cumsum(1).float()
    place = place / (place[:, -1:] + 1e-6) * (2 * math.pi)
    exponents = torch.arange(width // 2, device=lines.device) * (2 / width)
    angles = place[:, :, None] / temperature**exponents
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(2)


def _from_first_to_last(lines: Bool[Tensor, "B N"]) -> Bool[Tensor, "B N"]:
    count = lines.int().cumsum(1)
    inside = (count > 0) & ((count < count[:, -1:]) | lines)
    return inside | ~lines.any(1, keepdim=True)
