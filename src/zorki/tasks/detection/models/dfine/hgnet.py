"""HGNetV2 (PaddleClas; Lv et al., 2023; Peng et al., 2024): blocks that keep what every layer made, for D-FINE."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.nn.backbones.backbone import Backbone
from zorki.tasks.detection.models.rtdetr.convolutions import ConvNorm


@dataclass(frozen=True)
class HgNetSizes:
    """Sizes of an HGNetV2.

    Args:
        stem: channels of the stem's layers, and behind it.
        inner: channels of the layers of each stage.
        channels: behind each stage.
        blocks: of each stage.
        layers: of a block.
    """

    stem: tuple[int, int]
    inner: tuple[int, ...]
    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    layers: int


B0 = HgNetSizes((16, 16), (16, 32, 64, 128), (64, 256, 512, 1024), (1, 1, 2, 1), 3)
B2 = HgNetSizes((24, 32), (32, 64, 128, 256), (96, 384, 768, 1536), (1, 1, 3, 1), 4)


class HgNet(Backbone):
    """The maps of the four stages; the layers of the last two are a 1x1 and a depthwise 5x5 convolution each."""

    strides: tuple[int, ...] = (4, 8, 16, 32)

    def __init__(self, sizes: HgNetSizes = B0) -> None:
        super().__init__()
        self.channels = sizes.channels
        self.stem = _Stem(*sizes.stem)
        before = (sizes.stem[1], *sizes.channels)
        self.layers = nn.ModuleList(
            _Stage(before[place], sizes.inner[place], channels, sizes.blocks[place], sizes.layers, place)
            for place, channels in enumerate(sizes.channels)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        x = self.stem(x)
        maps = []
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        return maps

    def stages(self) -> list[nn.Module]:
        return [self.stem, *self.layers]


class _Affine(nn.Module):
    """One scale and one shift behind an activation, both learned: small networks gain by it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.bias = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return self.scale * x + self.bias


class _Layer(nn.Module):
    """A convolution with its norm, ReLU, and a learned affine step."""

    def __init__(self, before: int, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        convolution = ConvNorm(before, channels, kernel, stride, nn.ReLU(), groups)
        self.conv, self.norm = convolution.conv, convolution.norm
        self.lab = _Affine()

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        return self.lab(self.norm(self.conv(x)).relu())


class _LightLayer(nn.Module):
    def __init__(self, before: int, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(before, channels)
        self.conv2 = _Layer(channels, channels, 5, groups=channels)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        return self.conv2(self.conv1(x))


class _Block(nn.Module):
    """Layers one behind the other; what each made is put side by side, and squeezed."""

    def __init__(self, before: int, inner: int, channels: int, layers: int, light: bool, residual: bool) -> None:
        super().__init__()
        inputs = [before, *[inner] * (layers - 1)]
        self.layers = nn.ModuleList(_LightLayer(count, inner) if light else _Layer(count, inner, 3) for count in inputs)
        self.aggregation = nn.Sequential(
            _Layer(before + layers * inner, channels // 2), _Layer(channels // 2, channels)
        )
        self.residual = residual

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        made = [x]
        for layer in self.layers:
            made.append(layer(made[-1]))
        out: Tensor = self.aggregation(torch.cat(made, 1))
        return out + x if self.residual else out


class _Stage(nn.Module):
    def __init__(self, before: int, inner: int, channels: int, blocks: int, layers: int, place: int) -> None:
        super().__init__()
        self.downsample = ConvNorm(before, before, 3, 2, groups=before) if place else nn.Identity()
        self.blocks = nn.Sequential(
            *(
                _Block(channels if number else before, inner, channels, layers, place >= 2, number > 0)
                for number in range(blocks)
            )
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        return self.blocks(self.downsample(x))


class _Stem(nn.Module):
    """Four times smaller, by convolutions beside a pool."""

    def __init__(self, inner: int, channels: int) -> None:
        super().__init__()
        self.stem1 = _Layer(3, inner, 3, 2)
        self.stem2a, self.stem2b = _Layer(inner, inner // 2, 2), _Layer(inner // 2, inner, 2)
        self.stem3, self.stem4 = _Layer(2 * inner, inner, 3, 2), _Layer(inner, channels)

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        x = _padded(self.stem1(x))
        beside = self.stem2b(_padded(self.stem2a(x)))
        pooled = functional.max_pool2d(x, 2, 1)
        return self.stem4(self.stem3(torch.cat([pooled, beside], 1)))


def _padded(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
    """With a row and a column of zeros at the far edges, for kernels of 2."""
    return functional.pad(x, (0, 1, 0, 1))
