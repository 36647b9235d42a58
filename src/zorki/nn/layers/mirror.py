"""Images continued beyond their edges by their own mirror image."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def mirror(maps: Float[Tensor, "B C H W"], left: int, right: int, top: int, bottom: int) -> Float[Tensor, "B C _ _"]:
    """The maps with so many pixels more at each side, mirrored about the pixels of the edge: c b [a b c] b a.

    Further than a map is long it is mirrored again and again. A map that is one pixel long is repeated.
    """
    height, width = maps.shape[2:]
    while left or right or top or bottom:  # a length at a time: so each time it ends with the first or last line
        across = [min(left, width - 1), min(right, width - 1)] if width > 1 else [0, 0]
        down = [min(top, height - 1), min(bottom, height - 1)] if height > 1 else [0, 0]
        if any(across) or any(down):
            maps = functional.pad(maps, [*across, *down], mode="reflect")
        else:  # what is left to do is along a side of one pixel
            across, down = [left, right], [top, bottom]
            maps = functional.pad(maps, [*across, *down], mode="replicate")
        left, right, top, bottom = left - across[0], right - across[1], top - down[0], bottom - down[1]
    return maps
