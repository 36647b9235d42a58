"""Coarse maps brought onto finer ones, and onto the image, where they belong."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.errors import RecipeError
from zorki.introspection.receptive_field import PIXELS, Grid
from zorki.nn.layers.upsample import Interpolation, TransposedConvolution, initialize_bilinear, upsample


class AlignedUpsample(nn.Module):
    """Maps over one grid as maps over a finer one: upsampled, and moved by whole places to where they are centered.

    Plain interpolation takes it that the positions of a map are centered on equal cells of the image, which is wrong
    by up to half a cell (see `zorki.introspection.receptive_field.Grid`), 16 pixels at a stride of 32. FCN's authors
    crop in the same way (Long et al., 2015; the offsets of their Crop layers). What is left of half a place goes into
    the kernel of a transposed convolution that starts as bilinear interpolation. At the edges the outermost positions
    are repeated.

    Args:
        way: of upsampling, see `zorki.nn.layers.upsample`.
        channels: of the maps, before and after.
        coarse: of the maps that come.
        fine: of the maps that are wanted; its jump divides the other one.

    Raises:
        RecipeError: there is no such way, or it needs the indices of a pool.
    """

    def __init__(self, way: str, channels: int, coarse: Grid, fine: Grid = PIXELS) -> None:
        super().__init__()
        self.factor = round(coarse.jump / fine.jump)
        self.layer = upsample(way, channels, channels, self.factor)
        if self.layer.needs_indices:
            raise RecipeError(f"maps of classes cannot be upsampled by {way!r}: no pool has made them smaller")
        # The i-th fine position lies at i + offset in the upsampled map.
        offset = (fine.first - coarse.first) / fine.jump + (self.factor - 1) / 2
        self.offset = math.floor(offset + 0.5)
        if isinstance(self.layer, TransposedConvolution) and self.layer.bilinear and self.factor % 2 == 0:
            initialize_bilinear(self.layer.convolution, offset - self.offset)

    def forward(self, maps: Float[Tensor, "B K H W"], size: Sequence[int]) -> Float[Tensor, "B K _ _"]:
        """The maps at `size` (height, width) of the fine grid."""
        factor = self.factor
        # Interpolation repeats edges by itself; a transposed convolution or a padded one fades there.
        least = 0 if isinstance(self.layer, Interpolation) else 1
        before = max(least, math.ceil(-self.offset / factor))
        start = self.offset + before * factor
        behind = [
            max(least, math.ceil((start + n) / factor) - before - m) for n, m in zip(size, maps.shape[2:], strict=True)
        ]
        if before or max(behind):
            maps = functional.pad(maps, (before, behind[1], before, behind[0]), mode="replicate")
        large = self.layer(maps)
        return large[:, :, start : start + size[0], start : start + size[1]]
