"""A strided convolution whose gradient can be trusted on the smallest maps."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class StridedConv2d(nn.Conv2d):
    """`nn.Conv2d`, in float32 on the processor where a map is one pixel wide, or becomes a column of one pixel.

    There oneDNN's bfloat16 kernels read memory that nobody wrote: of maps one pixel wide in the gradient of the
    weights, of those that become a column in the output itself (PyTorch 2.14), as small upright images do.
    """

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B _ _ _"]:
        if input.device.type != "cpu" or not (min(input.shape[-2:]) == 1 or self._makes_a_column(*input.shape[-2:])):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float())

    def _makes_a_column(self, height: int, width: int) -> bool:
        assert not isinstance(self.padding, str)
        rows, columns = (
            (side + 2 * padding - kernel) // stride + 1
            for side, padding, kernel, stride in zip(
                (height, width), self.padding, self.kernel_size, self.stride, strict=True
            )
        )
        return columns == 1 and rows > 1
