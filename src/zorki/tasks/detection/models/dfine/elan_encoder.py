"""D-FINE's encoder: RT-DETR's with blocks that keep what every part made (Peng et al., 2024, appendix A.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zorki.tasks.detection.models.rtdetr.convolutions import ConvNorm
from zorki.tasks.detection.models.rtdetr.hybrid_encoder import CrossStageBlock, HybridEncoder


def elan_encoder(
    channels: Sequence[int], width: int, heads: int, hidden: int, *, expansion: float, depth: int
) -> HybridEncoder:
    """A `HybridEncoder` of `ElanBlock`s, between which `SeparateDownsampling` halves the maps.

    Args:
        channels: of the backbone's maps, finest first.
        width: D, of all maps inside.
        heads: of the attention.
        hidden: width of the perceptron behind it.
        expansion: channels of the inner parts of the blocks, as a share of D / 2.
        depth: RepVGG blocks of each inner part.
    """
    return HybridEncoder(
        channels,
        width,
        heads,
        hidden,
        lateral=lambda: ConvNorm(width, width),
        fusion=lambda: ElanBlock(width, int(expansion * width // 2), depth),
        halve=lambda: SeparateDownsampling(width),
    )


class ElanBlock(nn.Module):
    """GELAN (Wang et al., 2024: YOLOv9, figure 4), of two cross-stage blocks with a 3x3 convolution behind each.

    Half of the channels go through both; the other half, and what comes in between, stand beside them.

    Args:
        width: D; 2 D channels come in.
        hidden: channels of the inner parts.
        depth: RepVGG blocks of each.
    """

    def __init__(self, width: int, hidden: int, depth: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(2 * width, 2 * width, activation=nn.SiLU())
        self.csp_rep1 = CrossStageBlock(width, hidden, hidden, depth)
        self.conv2 = ConvNorm(hidden, hidden, 3, activation=nn.SiLU())
        self.csp_rep2 = CrossStageBlock(hidden, hidden, hidden, depth)
        self.conv3 = ConvNorm(hidden, hidden, 3, activation=nn.SiLU())
        self.conv4 = ConvNorm(2 * width + 2 * hidden, width, activation=nn.SiLU())

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        first, second = self.conv1(x).chunk(2, 1)
        third = self.conv2(self.csp_rep1(second))
        fourth = self.conv3(self.csp_rep2(third))
        return self.conv4(torch.cat([first, second, third, fourth], 1))


class SeparateDownsampling(nn.Module):
    """Channels are mixed first and the map is halved then, each channel by itself (Wang et al., 2024: YOLOv10)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = ConvNorm(width, width), ConvNorm(width, width, 3, 2, groups=width)

    def forward(self, x: Float[Tensor, "B D H W"]) -> Float[Tensor, "B D h w"]:
        return self.conv2(self.conv1(x))
