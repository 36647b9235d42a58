"""Features of regions: what a feature map holds inside a box, at one size for every box."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from zorki.ops.boxes import box_area


def join_regions(
    regions: Sequence[Float[Tensor, "_ 4"]],
) -> tuple[Float[Tensor, "N 4"], Int[Tensor, " N"]]:
    """The regions of several images in one tensor, and the image that each belongs to.

    Raises:
        ValueError: there is no image.
    """
    if not regions:
        raise ValueError("regions of no image were asked for; give one tensor an image, empty ones included")
    device = regions[0].device
    images = [torch.full((len(rows),), image, device=device) for image, rows in enumerate(regions)]
    return torch.cat(list(regions)), torch.cat(images)


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
    # The sides of diverged regions overflow.
    return level.nan_to_num(first).clamp(first, last).long() - first


def pool_regions(
    maps: Sequence[Float[Tensor, "B C _ _"]],
    strides: Sequence[int],
    xyxy: Float[Tensor, "N 4"],
    images: Int[Tensor, " N"],
    size: tuple[int, int],
    *,
    kind: Literal["align", "pool"] = "align",
    sampling_ratio: int = 2,
    home_size: float = 224,
    starts: Sequence[tuple[float, float]] | None = None,
) -> Float[Tensor, "N C h w"]:
    """The features inside each region as a small map of `size` (height, width), from the map of the fitting level.

    Args:
        maps: of one or several strides, finest first, with equal channels.
        strides: of the maps, in pixels of the input.
        xyxy: regions in pixels of the input.
        images: for each region its image in the batch.
        size: height and width of what comes out.
        kind: "align" averages `sampling_ratio` ** 2 points a bin, read by bilinear interpolation without rounding
            (He et al., 2017, section 3); as in torchvision's detectors, coordinates are not shifted by half a cell.
            "pool" takes the maximum of each bin of rounded cells (Girshick, 2015, section 2.1).
        sampling_ratio: points along each side of a bin; 0 takes one a cell.
        home_size: side of the boxes that are read from the map of stride 16, see `pyramid_levels`.
        starts: (x, y) of the first cell of each map in pixels of the input; None: the corner, as in torchvision.
    """
    # Under bf16 a coordinate would be a multiple of 4 pixels: regions and maps are read in float32.
    # Those of a diverged network must not become wild indices; its features will tell.
    xyxy = xyxy.float().nan_to_num()
    starts = starts or [(0.0, 0.0)] * len(maps)
    levels = pyramid_levels(xyxy, strides, home_size=home_size) if len(maps) > 1 else torch.zeros_like(images)
    xyxy = xyxy - xyxy.new_tensor(starts).repeat(1, 2)[levels]
    is_exporting = torch.compiler.is_exporting()
    if kind == "align" and sampling_ratio > 0 and maps[0].device.type == "cpu" and not is_exporting:
        return _align_by_taps(maps, strides, xyxy, images, levels, size, sampling_ratio)
    numbered = torch.cat([images[:, None], xyxy], 1)
    if len(maps) == 1:
        return _pool_one(maps[0], numbered, strides[0], size, kind, sampling_ratio)
    if is_exporting:
        # Graphs have no rows whose number hangs on values: all are read from every map.
        pairs = zip(maps, strides, strict=True)
        every = (_pool_one(features, numbered, stride, size, kind, sampling_ratio) for features, stride in pairs)
        pooled = next(every)
        for level, other in enumerate(every, 1):
            pooled = torch.where((levels == level)[:, None, None, None], other, pooled)
        return pooled
    parts, rows = [], []
    for level, (features, stride) in enumerate(zip(maps, strides, strict=True)):
        mine = (levels == level).nonzero()[:, 0]
        parts.append(_pool_one(features, numbered[mine], stride, size, kind, sampling_ratio))
        rows.append(mine)
    return torch.cat(parts)[torch.cat(rows).argsort()]


def prepare_maps(
    maps: Sequence[Float[Tensor, "B C _ _"]], *, kind: Literal["align", "pool"] = "align"
) -> list[Float[Tensor, "B C _ _"]]:
    """The maps as `pool_regions` reads them without a copy, for many calls on the same maps.

    They are in float32. For "align" on the CPU they are channels-last, in one piece of memory, one behind the other.
    Gradients are not kept.
    """
    with torch.no_grad():
        if kind == "pool" or maps[0].device.type != "cpu":
            return [features.float().contiguous() for features in maps]
        rows = [features.permute(0, 2, 3, 1) for features in maps]
        pieces = torch.cat([row.flatten(0, 2) for row in rows]).float().split([row[..., 0].numel() for row in rows])
        return [piece.view(row.shape).permute(0, 3, 1, 2) for piece, row in zip(pieces, rows, strict=True)]


def _pool_one(
    features: Tensor, rows: Tensor, stride: int, size: tuple[int, int], kind: str, sampling_ratio: int
) -> Tensor:
    from torchvision.ops import roi_align, roi_pool  # takes seconds to import

    features = features.float()
    if kind == "pool":
        return roi_pool(features, rows, size, 1 / stride)
    return roi_align(features, rows, size, 1 / stride, sampling_ratio)


def _align_by_taps(
    maps: Sequence[Tensor],
    strides: Sequence[int],
    xyxy: Tensor,
    images: Tensor,
    levels: Tensor,
    size: tuple[int, int],
    ratio: int,
) -> Tensor:
    """RoIAlign as one weighted sum of cells for each bin, over all maps at once.

    Every bin is a fixed sum: `ratio` ** 2 points of 4 cells each. With the cells of all maps as the rows of one table,
    that is an embedding bag, which runs over channels that lie side by side. On the CPU this takes a quarter of the
    time of torchvision's kernel forwards and a tenth backwards.
    """
    table = _table(maps)
    heights = torch.tensor([features.shape[2] for features in maps])
    widths = torch.tensor([features.shape[3] for features in maps])
    cells = heights * widths
    before = (cells * maps[0].shape[0]).cumsum(0) - cells * maps[0].shape[0]
    scaled = xyxy / torch.tensor(strides)[levels][:, None]
    row, row_weight = _taps(scaled[:, 1], scaled[:, 3], size[0], ratio, heights[levels])
    column, column_weight = _taps(scaled[:, 0], scaled[:, 2], size[1], ratio, widths[levels])
    first = before[levels] + images * cells[levels]
    lines = first[:, None, None] + row * widths[levels][:, None, None]
    # (N, h, w, taps of a row, taps of a column)
    indices = (lines[:, :, None, :, None] + column[:, None, :, None, :]).flatten(3).flatten(0, 2)
    weights = (row_weight[:, :, None, :, None] * column_weight[:, None, :, None, :]).flatten(3).flatten(0, 2)
    pooled = torch.nn.functional.embedding_bag(indices, table, mode="sum", per_sample_weights=weights)
    return pooled.view(len(xyxy), *size, table.shape[1]).permute(0, 3, 1, 2)


def _table(maps: Sequence[Tensor]) -> Float[Tensor, "M C"]:
    """The cells of all maps as rows, in float32; no copy where `prepare_maps` has laid them out."""
    rows = [features.permute(0, 2, 3, 1).flatten(0, 2) for features in maps]
    if not torch.compiler.is_compiling() and not rows[0].requires_grad and _follow_each_other(rows):
        return rows[0].as_strided((sum(len(row) for row in rows), rows[0].shape[1]), rows[0].stride())
    return torch.cat(rows).float()


def _follow_each_other(rows: Sequence[Tensor]) -> bool:
    if any(row.dtype != torch.float32 or not row.is_contiguous() for row in rows):
        return False
    return all(
        first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
        and first.storage_offset() + first.numel() == second.storage_offset()
        for first, second in pairwise(rows)
    )


def _taps(
    low: Float[Tensor, " N"], high: Float[Tensor, " N"], bins: int, ratio: int, lengths: Int[Tensor, " N"]
) -> tuple[Int[Tensor, "N b t"], Float[Tensor, "N b t"]]:
    """Along one axis, the cells (2 * ratio of them) that each bin reads, and their weights.

    As torchvision's kernel: a region is at least one cell long; points more than a cell outside of the map count 0, and
    nearer ones read its edge.
    """
    extent = (high - low).clamp_min(1)
    share = (torch.arange(bins * ratio) + 0.5) / (bins * ratio)
    point = low[:, None] + extent[:, None] * share
    inside = (point >= -1) & (point <= lengths[:, None])
    last = lengths[:, None] - 1
    point = point.clamp_min(0).minimum(last)
    cell = point.long()
    part = point - cell
    cells = torch.stack([cell, (cell + 1).minimum(last)], -1)
    weights = torch.stack([1 - part, part], -1) * (inside[..., None] / ratio)
    return cells.unflatten(1, (bins, ratio)).flatten(2), weights.unflatten(1, (bins, ratio)).flatten(2)
