"""MobileNetV3 (Howard et al., 2019: Searching for MobileNetV3, Tables 1 and 2)."""

from __future__ import annotations

from functools import partial
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from zorki.nn.backbones.backbone import Backbone, run_with_taps, split_at_taps, with_channels


class MobileNetV3(Backbone):
    """torchvision's MobileNetV3 without its head: the last map of each resolution.

    The running averages of the batch norms move by 0.1 a step as everywhere else here. The published 0.01 leaves
    them at their start in runs of a few hundred steps, and evaluation then gives nonsense.
    """

    strides: tuple[int, ...] = (2, 4, 8, 16, 32)

    def __init__(self, version: Literal["small", "large"], in_channels: int = 3) -> None:
        from torchvision.models import mobilenetv3 as published  # takes seconds; listing the names needs it not

        super().__init__()
        settings, last = published._mobilenet_v3_conf(f"mobilenet_v3_{version}")
        network = published.MobileNetV3(
            settings, last, num_classes=1, norm_layer=partial(nn.BatchNorm2d, eps=0.001, momentum=0.1)
        )
        self.features = network.features
        self.features[0][0] = with_channels(self.features[0][0], in_channels)
        # A map is the last of its resolution where the next block halves it.
        halving = [index for index, block in enumerate(self.features) if index and _stride(block) == 2]
        self.taps: tuple[int, ...] = (*(index - 1 for index in halving), len(self.features) - 1)
        self.channels = tuple(int(self.features[tap].out_channels) for tap in self.taps)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        return run_with_taps(self.features, self.taps, x)

    def stages(self) -> list[nn.Module]:
        return split_at_taps(self.features, self.taps)


def _stride(block: nn.Module) -> int:
    return max(layer.stride[0] for layer in block.modules() if isinstance(layer, nn.Conv2d))
