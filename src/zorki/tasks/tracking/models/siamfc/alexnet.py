"""The network of SiamFC: AlexNet's convolutions without padding, so that every place is seen alike."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from zorki.nn.backbones.backbone import Backbone, run_with_taps, split_at_taps
from zorki.nn.layers.initialize import initialize_he


class UnpaddedAlexNet(Backbone):
    """Table 1 of Bertinetto et al. (2016): 127 pixels become a map of 6, 255 one of 22, in steps of 8 pixels.

    Batch norm behind each convolution, none behind the last, which has no ReLU either. CONV2, CONV4 and CONV5 are in
    two groups, as AlexNet's.
    """

    channels = (96, 256, 256)
    strides = (4, 8, 8)
    min_size = 87

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(3, 96, 11, stride=2),
            nn.MaxPool2d(3, 2),
            *_convolution(96, 256, 5, groups=2),
            nn.MaxPool2d(3, 2),
            *_convolution(256, 384, 3),
            *_convolution(384, 384, 3, groups=2),
            nn.Conv2d(384, 256, 3, groups=2),
        )
        self.taps = (3, 7, len(self.features) - 1)
        initialize_he(self.features)

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        return run_with_taps(self.features, self.taps, x)

    def stages(self) -> list[nn.Module]:
        return split_at_taps(self.features, self.taps)


def _convolution(channels: int, filters: int, kernel: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, filters, kernel, stride=stride, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(filters), nn.ReLU(inplace=True)]
