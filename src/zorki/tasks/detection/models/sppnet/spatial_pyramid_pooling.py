"""Spatial pyramid pooling (He et al., 2014): any rectangle of a feature map as one vector of fixed length."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from zorki.ops.roi import pool_regions


class SpatialPyramidPool(nn.Module):
    """The maximum of each bin of several grids, laid over a region of a feature map (section 2.2).

    The grids have `levels` bins along each side: 1, 2, 3 and 6 give 50 bins (section 4.1). Regions are rounded to whole
    cells, the nearest, where the paper's appendix A shrinks them by up to a cell; a region narrower than its grid has
    cells in several bins. A bin wholly outside of the map is 0.

    Bins of a grid that divides the finest are taken as unions of its bins. For regions that reach out of the map the
    two differ where features are negative: 0 is then more than what is inside. Maps behind a ReLU have no such.
    """

    def __init__(self, levels: Sequence[int] = (1, 2, 3, 6)) -> None:
        super().__init__()
        if not levels or min(levels) < 1:
            raise ValueError(f"expected grids of at least one bin, got {tuple(levels)}")
        self.levels = tuple(levels)

    @property
    def bins(self) -> int:
        """All grids' together."""
        return sum(level**2 for level in self.levels)

    def forward(
        self,
        features: Float[Tensor, "B C H W"],
        stride: int,
        xyxy: Float[Tensor, "N 4"],
        images: Int[Tensor, " N"],
        *,
        start: tuple[float, float] = (0.0, 0.0),
    ) -> Float[Tensor, "N D"]:
        """D = C * bins numbers a region: grid after grid, in each channel after channel.

        Args:
            features: of several images.
            stride: pixels of the input for one step in the map.
            xyxy: regions in pixels of the input.
            images: for each region its image in the batch.
            start: (x, y) of the first cell in pixels of the input, see `first_cell`.
        """

        def pool(level: int) -> Tensor:
            size = (level, level)
            return pool_regions([features], [stride], xyxy, images, size, kind="pool", starts=[start])

        finest = max(self.levels)
        grids = {finest: pool(finest)}
        for level in self.levels:
            if level in grids:
                continue
            if finest % level == 0:
                # Bins of a grid that divides the finest are unions of its bins.
                columns = grids[finest].unflatten(3, (level, -1)).amax(4)  # a third of a max pool's time
                grids[level] = columns.unflatten(2, (level, -1)).amax(3)
            else:
                grids[level] = pool(level)
        return torch.cat([grids[level].flatten(1) for level in self.levels], 1)

    def extra_repr(self) -> str:
        return f"levels={self.levels}"
