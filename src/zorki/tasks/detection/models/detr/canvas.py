"""Where images lie on their canvases, and positions for what they cover."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def lines_of(
    valid: Int64[Tensor, "B 4"], height: int, width: int
) -> tuple[Bool[Tensor, "B {height}"], Bool[Tensor, "B {width}"]]:
    """Which rows and which columns of a canvas the image covers, by its edges (xyxy in whole pixels)."""
    left, top, right, bottom = valid[:, :, None].unbind(1)
    row, column = torch.arange(height, device=valid.device), torch.arange(width, device=valid.device)
    return (row >= top) & (row < bottom), (column >= left) & (column < right)


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
