"""VGG (Simonyan and Zisserman, 2014: Very Deep Convolutional Networks, Table 1)."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from zorki.nn.backbones.backbone import Backbone, run_with_taps, split_at_taps
from zorki.nn.layers.initialize import initialize_he

# Table 1: five groups of convolutions (kernel, channels), a max pool behind each.
_CONFIGURATIONS: dict[str, tuple[tuple[tuple[int, int], ...], ...]] = {
    "A": (((3, 64),), ((3, 128),), ((3, 256),) * 2, ((3, 512),) * 2, ((3, 512),) * 2),
    "B": (((3, 64),) * 2, ((3, 128),) * 2, ((3, 256),) * 2, ((3, 512),) * 2, ((3, 512),) * 2),
    "C": (
        ((3, 64),) * 2,
        ((3, 128),) * 2,
        ((3, 256), (3, 256), (1, 256)),
        ((3, 512), (3, 512), (1, 512)),
        ((3, 512), (3, 512), (1, 512)),
    ),
    "D": (((3, 64),) * 2, ((3, 128),) * 2, ((3, 256),) * 3, ((3, 512),) * 3, ((3, 512),) * 3),
    "E": (((3, 64),) * 2, ((3, 128),) * 2, ((3, 256),) * 4, ((3, 512),) * 4, ((3, 512),) * 4),
}


class Vgg(Backbone):
    """The convolutions of VGG; a map before each of the five pools, and the last pool's, or those of the pools.

    The layers bear torchvision's names (`features.0`, ...). Weights start at He's, not at the paper's Gaussian of
    deviation 0.01, from which the deep configurations do not train without the paper's detour over configuration A.

    Args:
        configuration: A (11 layers), B (13), C (16, with 1x1 convolutions), D (16) or E (19).
        batch_norm: a batch norm behind each convolution; not in the paper.
        in_channels: of the images.
        pooled: the maps are those of the five pools, as FCN reads them (Long et al., 2015, figure 3).
    """

    channels: tuple[int, ...] = (64, 128, 256, 512, 512, 512)
    strides: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    min_size = 32

    def __init__(
        self,
        configuration: Literal["A", "B", "C", "D", "E"],
        *,
        batch_norm: bool = False,
        in_channels: int = 3,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        taps = []
        before = in_channels
        for group in _CONFIGURATIONS[configuration]:
            for kernel, channels in group:
                layers.append(nn.Conv2d(before, channels, kernel, padding=kernel // 2))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(channels))
                layers.append(nn.ReLU(inplace=True))
                before = channels
            taps.append(len(layers) - 1)
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.taps = (*taps, len(layers) - 1)
        self.pooled = pooled
        if pooled:
            self.taps = tuple(tap + 1 for tap in taps)
            self.channels, self.strides = Vgg.channels[:5], Vgg.strides[1:]
        initialize_he(self.features)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        return run_with_taps(self.features, self.taps, x)

    def stages(self) -> list[nn.Module]:
        # The last pool has no parameter of its own: it goes with the fifth group.
        return split_at_taps(self.features, self.taps if self.pooled else self.taps[:-1])
