"""ResNet for ImageNet (He et al., 2015: Deep Residual Learning for Image Recognition, Table 1)."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from zorki.nn.backbones.backbone import Backbone, with_channels

Stem = Literal["7x7", "3x3"]

# Blocks in each stage; networks of 50 layers and more are made of bottlenecks.
_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


class ResNet(Backbone):
    """torchvision's ResNet without its head: the maps of CONV1 and of the four stages.

    Bottlenecks stride in their 3x3 convolution, not in the first 1x1 as in the paper ("v1.5"), as the published
    weights want it.

    Args:
        depth: layers.
        in_channels: of the images.
        stem: "7x7", the paper's, of stride 2 with a max-pool behind; or "3x3" of stride 1 without one, for images of
            64 pixels and below (Chen et al., 2020: SimCLR, appendix B.9).
    """

    strides: tuple[int, ...] = (2, 4, 8, 16, 32)

    def __init__(self, depth: Literal[18, 34, 50, 101, 152], in_channels: int = 3, *, stem: Stem = "7x7") -> None:
        from torchvision.models import resnet as published  # takes seconds; listing the names needs it not

        super().__init__()
        block = published.Bottleneck if depth >= 50 else published.BasicBlock
        network = published.ResNet(block, list(_BLOCKS[depth]), num_classes=1)
        self.conv1 = with_channels(network.conv1, in_channels)
        self.bn1 = network.bn1
        self.relu = network.relu
        self.maxpool = network.maxpool
        if stem == "3x3":
            self.conv1 = nn.Conv2d(in_channels, 64, 3, padding=1, bias=False)
            nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
            self.maxpool = nn.Identity()
            self.strides = (1, 1, 2, 4, 8)
        self.layer1, self.layer2 = network.layer1, network.layer2
        self.layer3, self.layer4 = network.layer3, network.layer4
        self.channels = (64, *(width * block.expansion for width in (64, 128, 256, 512)))

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        maps = [self.relu(self.bn1(self.conv1(x)))]
        x = self.maxpool(maps[0])
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps

    def stages(self) -> list[nn.Module]:
        return [nn.ModuleList([self.conv1, self.bn1]), self.layer1, self.layer2, self.layer3, self.layer4]
