"""SqueezeNet (Iandola et al., 2016: AlexNet-level accuracy with 50x fewer parameters)."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from zorki.nn.backbones.backbone import Backbone, run_with_taps, split_at_taps, with_channels


class SqueezeNet(Backbone):
    """torchvision's SqueezeNet without its head: the maps before each of the three pools, and of the last Fire.

    Args:
        version: "1_0" is the paper's (Table 1); "1_1" pools earlier and uses a smaller first kernel, 2.4 times
            cheaper at equal accuracy.
        in_channels: of the images.
    """

    strides = (2, 4, 8, 16)

    def __init__(self, version: Literal["1_0", "1_1"], in_channels: int = 3) -> None:
        from torchvision.models import squeezenet as published  # takes seconds; listing the names needs it not

        super().__init__()
        self.features = published.SqueezeNet(version, num_classes=1).features
        self.features[0] = with_channels(self.features[0], in_channels)
        if version == "1_0":
            self.channels, self.taps, self.min_size = (96, 256, 512, 512), (1, 5, 10, 12), 21
        else:
            self.channels, self.taps, self.min_size = (64, 128, 256, 512), (1, 4, 7, 12), 17

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        return run_with_taps(self.features, self.taps, x)

    def stages(self) -> list[nn.Module]:
        return split_at_taps(self.features, self.taps)
