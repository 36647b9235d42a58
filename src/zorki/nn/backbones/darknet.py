"""The networks under YOLO: v1's 24 convolutions (Redmon et al., 2016), Darknet-53 (Redmon and Farhadi, 2018)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from zorki.nn.backbones.backbone import Backbone, run_with_taps, split_at_taps
from zorki.nn.layers.initialize import initialize_he
from zorki.nn.layers.strided import StridedConv2d

SLOPE = 0.1  # of the leaky ReLUs (Redmon et al., 2016, eq. 2)


def convolve(in_channels: int, channels: int, kernel: int, stride: int = 1, *, norm: bool = True) -> nn.Sequential:
    """A convolution that keeps the size but for its stride, a batch norm, and a leaky ReLU of slope 0.1."""
    layers: list[nn.Module] = [
        StridedConv2d(in_channels, channels, kernel, stride, kernel // 2, bias=not norm),
        *([nn.BatchNorm2d(channels)] if norm else []),
        nn.LeakyReLU(SLOPE, inplace=True),
    ]
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """1x1 to half the channels, 3x3 back, and the input added (Table 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = convolve(channels, channels // 2, 1)
        self.widen = convolve(channels // 2, channels, 3)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return x + self.widen(self.narrow(x))


class Darknet53(Backbone):
    """Darknet-53 (Redmon and Farhadi, 2018, Table 1) without its classifier: a map behind each of five groups."""

    channels = (64, 128, 256, 512, 1024)
    strides = (2, 4, 8, 16, 32)

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.stem = convolve(in_channels, 32, 3)
        before = 32
        self.groups = nn.ModuleList()
        for channels, blocks in zip(self.channels, (1, 2, 8, 8, 4), strict=True):
            halve = convolve(before, channels, 3, stride=2)
            self.groups.append(nn.Sequential(halve, *(Residual(channels) for _ in range(blocks))))
            before = channels
        initialize_he(self)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        x = self.stem(x)
        maps = []
        for group in self.groups:
            x = group(x)
            maps.append(x)
        return maps

    def stages(self) -> list[nn.Module]:
        return [nn.ModuleList([self.stem, self.groups[0]]), *self.groups[1:]]


# Figure 3 of YOLO v1, as (kernel, channels); "pool" halves, and so does the one convolution that is marked.
_POOL = (0, 0)
_YOLO1: tuple[tuple[int, int], ...] = (
    (7, 64), _POOL,
    (3, 192), _POOL,
    (1, 128), (3, 256), (1, 256), (3, 512), _POOL,
    *((1, 256), (3, 512)) * 4, (1, 512), (3, 1024), _POOL,
    *((1, 512), (3, 1024)) * 2, (3, 1024), (3, 1024),
    (3, 1024), (3, 1024),
)  # fmt: skip
_HALVING = (0, 25)  # places in the list of the convolutions of stride 2


class Darknet24(Backbone):
    """The 24 convolutions of YOLO v1 (Redmon et al., 2016, figure 3); a map before each halving, and the last.

    Args:
        batch_norm: behind each convolution. The paper has none, and trains its first 20 layers on ImageNet for a week;
            the authors' later settings have it, and without it nothing is learned from random weights.
    """

    channels = (64, 192, 512, 1024, 1024, 1024)
    strides = (2, 4, 8, 16, 32, 64)

    def __init__(self, in_channels: int = 3, *, batch_norm: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        taps: list[int] = []
        before, stride = in_channels, 1
        for place, (kernel, channels) in enumerate(_YOLO1):
            halves = not kernel or place in _HALVING
            if halves and stride > 1:
                taps.append(len(layers) - 1)
            stride *= 1 + halves
            if kernel:
                layers.append(convolve(before, channels, kernel, 1 + halves, norm=batch_norm))
                before = channels
            else:
                layers.append(nn.MaxPool2d(2, 2, ceil_mode=True))
        taps.append(len(layers) - 1)
        self.features = nn.Sequential(*layers)
        self.taps = tuple(taps)
        initialize_he(self)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        return run_with_taps(self.features, self.taps, x)

    def stages(self) -> list[nn.Module]:
        return split_at_taps(self.features, self.taps)
