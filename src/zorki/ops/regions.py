"""Features of regions: what a feature map holds inside a box, at one size for every box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from zorki.ops.boxes import box_area


def join_regions(
    regions: Sequence[Float[Tensor, "_ 4"]],
) -> tuple[Float[Tensor, "N 4"], Int[Tensor, " N"]]:
    """The regions of several pictures in one tensor, and the picture that each belongs to.

    Raises:
        ValueError: there is no picture.
    """
    if not regions:
        raise ValueError("regions of no picture were asked for; give one tensor a picture, empty ones included")
    counts = torch.tensor([len(rows) for rows in regions])
    pictures = torch.repeat_interleave(torch.arange(len(regions)), counts)
    return torch.cat(list(regions)), pictures.to(regions[0].device)


def pyramid_levels(
    xyxy: Float[Tensor, "N 4"], strides: Sequence[int], *, home_stride: int = 16, home_size: float = 224
) -> Int[Tensor, " N"]:
    """Which of the maps, finest first, each box is read from (Lin et al., 2017, equation 1).

    A box of area `home_size` ** 2 is read from the map of stride `home_stride`, one of half the side from the next
    finer map, and so on; boxes that would want finer or coarser maps than there are get the nearest. `strides` must be
    powers of 2 that double from map to map. The paper's k is the logarithm of the stride, k0 = 4.
    """
    first, last = (stride.bit_length() - 1 for stride in (strides[0], strides[-1]))
    home = home_stride.bit_length() - 1
    size = box_area(xyxy).sqrt()
    # A box of exactly the home size must not fall to the finer map by rounding.
    level = (home + (size / home_size).log2() + 1e-6).floor()
    return level.clamp(first, last).long() - first


def pool_regions(
    maps: Sequence[Float[Tensor, "B C _ _"]],
    strides: Sequence[int],
    xyxy: Float[Tensor, "N 4"],
    pictures: Int[Tensor, " N"],
    size: tuple[int, int],
    *,
    kind: Literal["align", "pool"] = "align",
    sampling_ratio: int = 2,
    home_size: float = 224,
) -> Float[Tensor, "N C h w"]:
    """The features inside each region as a small map of `size` (height, width), from the map of the fitting level.

    Args:
        maps: of one or several strides, finest first, with equal channels.
        strides: of the maps, in pixels of the input.
        xyxy: regions in pixels of the input.
        pictures: for each region its picture in the batch.
        size: height and width of what comes out.
        kind: "align" averages `sampling_ratio` ** 2 points a bin, read by bilinear interpolation without rounding
            (He et al., 2017, section 3); as in torchvision's detectors, coordinates are not shifted by half a cell.
            "pool" takes the maximum of each bin of rounded cells (Girshick, 2015, section 2.1).
        sampling_ratio: points along each side of a bin; 0 takes one a cell.
        home_size: side of the boxes that are read from the map of stride 16, see `pyramid_levels`.
    """
    rows = torch.cat([pictures.to(maps[0].dtype)[:, None], xyxy.to(maps[0].dtype)], 1)
    if len(maps) == 1:
        return _pool_one(maps[0], rows, strides[0], size, kind, sampling_ratio)
    levels = pyramid_levels(xyxy, strides, home_size=home_size)
    pooled: Tensor | None = None
    for level, (features, stride) in enumerate(zip(maps, strides, strict=True)):
        mine = (levels == level).nonzero()[:, 0]
        part = _pool_one(features, rows[mine], stride, size, kind, sampling_ratio)
        if pooled is None:
            pooled = part.new_zeros((len(rows), *part.shape[1:]))
        pooled = pooled.index_put((mine,), part)
    assert pooled is not None
    return pooled


def _pool_one(
    features: Tensor, rows: Tensor, stride: int, size: tuple[int, int], kind: str, sampling_ratio: int
) -> Tensor:
    from torchvision.ops import roi_align, roi_pool  # takes seconds to import

    if kind == "pool":
        return roi_pool(features, rows, size, 1 / stride)
    return roi_align(features, rows, size, 1 / stride, sampling_ratio)
