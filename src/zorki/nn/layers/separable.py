"""Depthwise-separable convolutions: a 3x3 filter for each channel, then a 1x1 convolution that mixes the channels.

A 3x3 convolution of C to D channels in C * (9 + D) multiplications a place in the stead of 9 * C * D (Howard et al.,
2017: MobileNets, section 3.1). Necks and heads made of them are SSDLite's (Sandler et al., 2018, section 6.2).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.nn.layers.strided import StridedConv2d


class MapNorm2d(nn.BatchNorm2d):
    """Batch norm that also takes a batch of a single place, as one small image gives on the coarsest map.

    A single value has no spread to divide by: the running statistics serve, as they do in evaluation.
    """

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        if self.training and input.numel() == input.shape[1]:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        return super().forward(input)


def depthwise(channels: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 filter for each channel, without bias: a norm or a 1x1 convolution follows."""
    return StridedConv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)


def separable_convolution(
    in_channels: int, channels: int, stride: int = 1, *, activation: nn.Module | None = None
) -> nn.Sequential:
    """3x3 depthwise and 1x1, each with batch norm and activation.

    Args:
        activation: without values of its own, so that one serves both; None: ReLU6, as in MobileNets.
    """
    activation = nn.ReLU6(inplace=True) if activation is None else activation
    return nn.Sequential(
        depthwise(in_channels, stride),
        MapNorm2d(in_channels),
        activation,
        nn.Conv2d(in_channels, channels, 1, bias=False),
        MapNorm2d(channels),
        activation,
    )


def separable_output(in_channels: int, outputs: int) -> nn.Sequential:
    """3x3 depthwise with batch norm and ReLU6, and a 1x1 convolution with bias: a prediction layer of SSDLite."""
    return nn.Sequential(
        depthwise(in_channels), MapNorm2d(in_channels), nn.ReLU6(inplace=True), nn.Conv2d(in_channels, outputs, 1)
    )


def separable_linear(in_channels: int, channels: int, stride: int = 1) -> nn.Sequential:
    """3x3 depthwise and 1x1 with a batch norm behind both: a convolution of a pyramid, where nothing is cut off."""
    return nn.Sequential(
        depthwise(in_channels, stride), nn.Conv2d(in_channels, channels, 1, bias=False), MapNorm2d(channels)
    )
