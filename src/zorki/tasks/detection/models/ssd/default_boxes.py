"""SSD's default boxes ("priors"): which shapes stand on each map, and where (Liu et al., 2016, section 2.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from zorki.ops.anchors import grid_points, place_anchors

Shapes = Sequence[tuple[float, float]]


def prior_shapes(
    size: float, scales: Sequence[float], aspects: Sequence[Sequence[float]]
) -> list[list[tuple[float, float]]]:
    """(width, height) in pixels of the priors of every map.

    A map of scale s, followed by one of scale t, has squares of s and of sqrt(s * t), and for each aspect a (width /
    height) the boxes of area s ** 2 and aspects a and 1 / a. No side is longer than `size`, as the published weights
    want it; the paper does not say so.

    Args:
        size: of the input's longer side, in pixels.
        scales: shares of `size`, one more than there are maps.
        aspects: one row a map, without 1.

    Raises:
        ValueError: the numbers of scales and of aspects do not agree.
    """
    if len(scales) != len(aspects) + 1:
        raise ValueError(f"{len(aspects)} maps need {len(aspects) + 1} scales, but {len(scales)} were given")
    shapes = []
    for scale, following, row in zip(scales[:-1], scales[1:], aspects, strict=True):
        between = math.sqrt(scale * following)
        shares = [(scale, scale), (between, between)]
        for aspect in row:
            wide, narrow = scale * math.sqrt(aspect), scale / math.sqrt(aspect)
            shares += [(wide, narrow), (narrow, wide)]
        shapes.append([(min(width, 1.0) * size, min(height, 1.0) * size) for width, height in shares])
    return shapes


class PriorGrid:
    """Priors in network pixels for maps of any size: all maps in turn, row by row, all shapes of a cell together.

    Args:
        shapes: (width, height) in pixels, one row a map.
        strides: pixels between neighboring cells, one a map.
        centered: the grid lies in the middle of the input. That is where the cells look in networks with unpadded
            layers too, whose maps have fewer cells than the input has strides. Else the first cell's middle is half a
            stride from the corner, as the published weights want it.
    """

    def __init__(self, shapes: Sequence[Shapes], strides: Sequence[float], *, centered: bool = True) -> None:
        if len(shapes) != len(strides):
            raise ValueError(f"{len(shapes)} rows of shapes, but {len(strides)} strides")
        self.shapes, self.strides, self.centered = shapes, strides, centered
        self._made: dict[object, Tensor] = {}

    def __call__(self, maps: Sequence[Tensor], height: int, width: int) -> Float[Tensor, "P 4"]:
        """The priors as xyxy on `maps` (B, C, H, W) of an input of `height` x `width`; made once for each size."""
        device = maps[0].device
        sizes = tuple((int(x.shape[-2]), int(x.shape[-1])) for x in maps)
        if torch.compiler.is_compiling():  # tensors made while tracing must not outlive it
            return self._make(sizes, height, width, device)
        key = (sizes, height, width, device)
        if key not in self._made:
            self._made[key] = self._make(sizes, height, width, device)
        return self._made[key]

    @torch.inference_mode(False)  # what evaluation keeps, training must be able to use
    def _make(
        self, sizes: Sequence[tuple[int, int]], height: int, width: int, device: torch.device
    ) -> Float[Tensor, "P 4"]:
        priors = []
        for (rows, columns), shapes, stride in zip(sizes, self.shapes, self.strides, strict=True):
            points = grid_points(rows, columns, stride, stride, device=device)
            if self.centered:
                shift = [(width - columns * stride) / 2, (height - rows * stride) / 2]
                points = points + torch.tensor(shift, dtype=torch.float32, device=device)
            priors.append(place_anchors(points, torch.tensor(shapes, dtype=torch.float32, device=device)))
        return torch.cat(priors)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_made": {}}
