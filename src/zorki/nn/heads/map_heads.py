"""What stands on one feature map and gives a map of classes; and the pieces of such heads."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.nn.layers.initialize import initialize_he, initialize_output


class PooledBatchNorm2d(nn.BatchNorm2d):
    """Batch norm that takes its running averages where training gives it a single number a channel.

    As behind a pool to one pixel in a batch of one image: a deviation of one number is none, and torch refuses.
    """

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        if not self.training or input.numel() > input.shape[1]:
            return super().forward(input)
        return functional.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
        )


def conv_norm_relu(
    channels_in: int, channels: int, kernel: int = 1, *, dilation: int = 1, pooled: bool = False
) -> list[nn.Module]:
    """A convolution without bias that keeps the size, a batch norm and a ReLU; `pooled`: the map may be one pixel."""
    convolution = nn.Conv2d(
        channels_in, channels, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False
    )
    norm = PooledBatchNorm2d(channels) if pooled else nn.BatchNorm2d(channels)
    return [convolution, norm, nn.ReLU(inplace=True)]


class ConvMapHead(nn.Sequential):
    """A 3x3 convolution to a quarter of the channels, dropout, and a 1x1 convolution to classes.

    The auxiliary head of PSPNet (Zhao et al., 2017, section 3.3), and what torchvision calls FCN's head.
    """

    def __init__(self, channels_in: int, num_classes: int, *, dropout: float = 0.1) -> None:
        inner = channels_in // 4
        output = nn.Conv2d(inner, num_classes, 1)
        super().__init__(*conv_norm_relu(channels_in, inner, 3), nn.Dropout(dropout), output)
        initialize_he(self)
        initialize_output(output)
