"""ResNet-18-vd (He et al., 2019: Bag of Tricks, ResNet-D), as RT-DETR's authors use it."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from zorki.nn.backbones.backbone import Backbone
from zorki.tasks.detection.models.rtdetr.convolutions import ConvNorm


class ResNetVd(Backbone):
    """The maps of the four stages of ResNet with 18 layers: three 3x3 convolutions for the first one of 7x7, and an
    average pool before the 1x1 convolution of shortcuts that halve the map.

    Args:
        widths: channels of the stages.
        stem: channels before the first stage; even.
    """

    strides: tuple[int, ...] = (4, 8, 16, 32)

    def __init__(self, widths: tuple[int, ...] = (64, 128, 256, 512), stem: int = 64) -> None:
        super().__init__()
        self.channels = widths
        self.stem = nn.Sequential(
            ConvNorm(3, stem // 2, 3, 2, nn.ReLU()),
            ConvNorm(stem // 2, stem // 2, 3, 1, nn.ReLU()),
            ConvNorm(stem // 2, stem, 3, 1, nn.ReLU()),
            nn.MaxPool2d(3, 2, 1),
        )
        self.layers = nn.ModuleList(
            nn.Sequential(_Block(before, width, 1 if place == 0 else 2, True), _Block(width, width, 1, False))
            for place, (before, width) in enumerate(zip((stem, *widths), widths, strict=False))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        x = self.stem(x)
        maps = []
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        return maps

    def stages(self) -> list[nn.Module]:
        return [self.stem, *self.layers]


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which the first block of a stage projects."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, project: bool) -> None:
        super().__init__()
        self.first = ConvNorm(in_channels, out_channels, 3, stride, nn.ReLU())
        self.second = ConvNorm(out_channels, out_channels, 3)
        self.pool = nn.AvgPool2d(2, 2, 0, ceil_mode=True) if stride == 2 else nn.Identity()
        self.shortcut = ConvNorm(in_channels, out_channels) if project else nn.Identity()

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        out: Tensor = self.second(self.first(x)) + self.shortcut(self.pool(x))
        return out.relu()
