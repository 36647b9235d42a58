"""The four convolutions of few-shot learning (Vinyals et al., 2016: Matching Networks, section 4.1)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.nn.backbones.backbone import Backbone
from zorki.nn.layers.initialize import initialize_he


class Conv4(Backbone):
    """Four times a 3x3 convolution with batch norm, ReLU and 2x2 max-pooling, a map of each.

    Of 28x28 images, the size of the paper, one pixel remains.

    Args:
        width: channels of each; the paper and Snell et al. (2017: Prototypical Networks) have 64.
    """

    strides = (2, 4, 8, 16)
    min_size = 16

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.channels = (width,) * 4
        self.blocks = nn.ModuleList(ConvBlock(width if place else 3, width) for place in range(4))
        initialize_he(self)

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps

    def stages(self) -> list[nn.Module]:
        return list(self.blocks)


class ConvBlock(nn.Module):
    """Convolution, batch norm, ReLU, and the largest of each 2x2 pixels; a row too many is left out."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        return functional.max_pool2d(functional.relu(self.norm(self.conv(x))), 2)
