"""ResNet for 32x32 images (He et al., 2015: Deep Residual Learning for Image Recognition, section 4.2)."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.layers.initialize import initialize_he


class CifarResNet(Backbone):
    """A 3x3 convolution and three groups of n blocks with 16, 32 and 64 channels; a map of each group.

    Args:
        depth: 6n + 2 layers; the paper has 20, 32, 44, 56 and 110.
        in_channels: of the images.
        shortcut: how a shortcut gets more channels and half the size. "A", the paper's here: every second pixel, and
            channels of zeros; no parameters. "B": a 1x1 convolution of stride 2.
    """

    channels = (16, 32, 64)
    strides = (1, 2, 4)

    def __init__(self, depth: int = 20, in_channels: int = 3, *, shortcut: Literal["A", "B"] = "A") -> None:
        super().__init__()
        blocks, rest = divmod(depth - 2, 6)
        if rest or blocks < 1:
            raise RecipeError(
                f"a CIFAR ResNet has 6n + 2 layers, such as 20, 32, 44, 56 or 110; {depth} is none of them"
            )
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _group(16, 16, blocks, shortcut)
        self.layer2 = _group(16, 32, blocks, shortcut)
        self.layer3 = _group(32, 64, blocks, shortcut)
        initialize_he(self)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        x = functional.relu_(self.bn1(self.conv1(x)))
        maps = []
        for layer in (self.layer1, self.layer2, self.layer3):
            x = layer(x)
            maps.append(x)
        return maps

    def stages(self) -> list[nn.Module]:
        return [nn.ModuleList([self.conv1, self.bn1]), self.layer1, self.layer2, self.layer3]


class CifarBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and the shortcut around them."""

    def __init__(self, in_channels: int, channels: int, stride: int, shortcut: Literal["A", "B"]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 and shortcut == "A":
            self.shortcut = PadShortcut(channels - in_channels)
        elif stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        # In place: no gradient asks for what a norm puts out, and fresh memory costs more than the sums.
        y = functional.relu_(self.bn1(self.conv1(x)))
        return functional.relu_(self.bn2(self.conv2(y)).add_(self.shortcut(x)))


class PadShortcut(nn.Module):
    """Option A: every second pixel, and `extra` channels of zeros, half of them before and half behind.

    The paper does not say on which side the zeros stand; the published weights want them on both.
    """

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.before = extra // 2
        self.behind = extra - self.before

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.behind))


def _group(in_channels: int, channels: int, blocks: int, shortcut: Literal["A", "B"]) -> nn.Sequential:
    stride = 1 if in_channels == channels else 2
    first = CifarBlock(in_channels, channels, stride, shortcut)
    return nn.Sequential(first, *(CifarBlock(channels, channels, 1, shortcut) for _ in range(blocks - 1)))
