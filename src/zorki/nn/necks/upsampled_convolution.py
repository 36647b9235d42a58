"""A 3x3 convolution of a map made twice as large, without ever making the large map."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

# Of each of four rows of the joined kernel, which rows of the 3x3 one it sums: see `_joined`.
_ROWS = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))
# Pixels of the small map from which on joining the kernels costs less than it saves.
_WORTH_IT = 200


class UpsampledConv2d(nn.Conv2d):
    """What a 3x3 convolution says of a map enlarged to its nearest pixels, and of a `skip` of that size beside it.

    The same numbers as `cat([interpolate(x, scale_factor=2, mode="nearest"), skip], 1)` through one convolution that
    keeps the size, up to rounding. In a map of doubled pixels the nine weights meet four different values only, so
    that a transposed convolution with a kernel of 4, whose weights are sums of these nine, gives the same with less
    than half the multiplications; and neither the enlarged map nor the joined one is written to memory.

    Args:
        in_channels: of the map.
        skip_channels: of the skip; 0: there is none.
        out_channels: of the output.
        bias: whether it has one.
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int, *, bias: bool = False) -> None:
        super().__init__(in_channels + skip_channels, out_channels, 3, padding=1, bias=bias)
        self.skip_channels = skip_channels

    def forward(  # type: ignore[override]  # of two maps in place of one
        self, x: Float[Tensor, "B C h w"], skip: Float[Tensor, "B S H W"] | None = None
    ) -> Float[Tensor, "B D _ _"]:
        """The output at the skip's size, or at twice the map's.

        Args:
            skip: of whatever size; one that is not twice the map's is what the map is enlarged to.
        """
        height, width = x.shape[2:]
        size = (2 * height, 2 * width) if skip is None else tuple(skip.shape[2:])
        # A size that is a symbol belongs to an export of any size, which asks for none.
        worth_it = not isinstance(height * width, int) or height * width >= _WORTH_IT
        if size != (2 * height, 2 * width) or not worth_it:
            large = functional.interpolate(x, size, mode="nearest")
            return super().forward(large if skip is None else torch.cat([large, skip], 1))
        kernel = _joined(self.weight[:, : x.shape[1]])
        output = functional.conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)
        if skip is None:
            return output
        return output.add_(functional.conv2d(skip, self.weight[:, x.shape[1] :], padding=1))


def _joined(weight: Float[Tensor, "D C 3 3"]) -> Float[Tensor, "C D 4 4"]:
    """The kernel of the transposed convolution of stride 2 that does what `weight` does on doubled pixels.

    Pixel i of the map stands at 2i and 2i + 1 of the large one. Output o weighs place 2i + e with row
    t = 2i + e - o + 1 of the kernel, e being 0 or 1; a transposed convolution with padding 1 weighs pixel i with row
    k = o - 2i + 1 of its own, which is therefore the sum of the rows t = 2 - k + e that there are. Columns likewise.
    """
    out_channels, channels = weight.shape[:2]
    rows = torch.tensor(_ROWS, dtype=weight.dtype, device=weight.device)
    both = (rows[:, None, :, None] * rows[None, :, None, :]).reshape(16, 9)
    device = "cpu" if weight.is_meta else weight.device.type  # autocast knows no meta device, on which ledgers run
    with torch.autocast(device, enabled=False):  # sums of weights must not lose what the weights know
        kernel = weight.reshape(-1, 9) @ both.t()
    return kernel.view(out_channels, channels, 4, 4).transpose(0, 1)
