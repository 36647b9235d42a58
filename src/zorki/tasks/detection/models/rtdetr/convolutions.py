"""A convolution with its norm and its activation, of which the parts of RT-DETR are made."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class ConvNorm(nn.Module):
    """A convolution without bias, a batch norm and an activation; padded so that a stride of 1 keeps the size.

    Args:
        in_channels, out_channels: of the maps.
        kernel: side of the convolution.
        stride: of the convolution.
        activation: what follows the norm; None: nothing.
        groups: of the convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        activation: nn.Module | None = None,
        groups: int = 1,
    ) -> None:
        super().__init__()
        padding = (kernel - 1) // 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.activation = activation or nn.Identity()

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        return self.activation(self.norm(self.conv(x)))
