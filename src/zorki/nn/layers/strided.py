"""A strided convolution whose gradient can be trusted on the smallest maps."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class StridedConv2d(nn.Conv2d):
    """`nn.Conv2d`, in float32 where a map is one pixel wide.

    There oneDNN's bfloat16 gradient of a strided kernel's weights holds whatever was in memory, on the CPU.
    """

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B _ _ _"]:
        if input.device.type != "cpu" or min(input.shape[-2:]) > 1:
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float())
