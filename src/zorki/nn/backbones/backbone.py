"""What a backbone is: a network that turns normalized pixels into feature maps of falling resolution."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from zorki.errors import RecipeError


class Backbone(nn.Module, ABC):
    """Feature maps of an image, finest first.

    `channels[i]` and `strides[i]` belong to the i-th map: it has `channels[i]` channels, and one step in it is
    `strides[i]` pixels of the input. `min_size` is the side of the smallest square input for which every layer has
    at least one pixel to work on.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    min_size: int = 1

    @abstractmethod
    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        """All feature maps (B, channels[i], ~H / strides[i], ~W / strides[i]) of normalized floats."""

    def top(self, x: Float[Tensor, "B C H W"]) -> Tensor:
        """What a classifier's head reads: the last feature map, unless the network says otherwise."""
        return self.forward(x)[-1]

    def top_and_sides(self, x: Float[Tensor, "B C H W"]) -> tuple[Tensor, list[Tensor]]:
        """`top`, and the inner maps that auxiliary classifiers read while training; most networks have none."""
        return self.top(x), []

    def top_and_map(self, x: Float[Tensor, "B C H W"]) -> tuple[Tensor, Float[Tensor, "B D h w"]]:
        """`top`, and the last feature map, which is the same for most networks: both of one pass.

        Raises:
            RecipeError: the network has no map beside its `top`.
        """
        top = self.top(x)
        if top.ndim != 4:
            raise RecipeError(f"{type(self).__name__} ends in a vector, not in a feature map; choose another network")
        return top, top

    @abstractmethod
    def stages(self) -> list[nn.Module]:
        """The parts from input to output, which together hold every parameter: for freezing the early ones."""

    def check_size(self, size: int, network: str) -> None:
        """Raises RecipeError where a square input of `size` pixels is too small for the network."""
        if size < self.min_size:
            raise RecipeError(
                f"{network} cannot take images of size {size}: the least size is {self.min_size}; "
                f"set size to at least {self.min_size}, or choose a network for small images (cifar_resnet20)"
            )


def last_maps(backbone: Backbone) -> dict[int, int]:
    """The place of the deepest map of each stride, finest stride first."""
    return {stride: place for place, stride in enumerate(backbone.strides)}


def run_with_taps(layers: nn.Sequential, taps: Sequence[int], x: Tensor) -> list[Tensor]:
    """The outputs of the layers whose indices are in `taps`; layers behind the last tap are not run."""
    maps = []
    for index, layer in enumerate(layers[: taps[-1] + 1]):
        x = layer(x)
        if index in taps:
            maps.append(x)
    return maps


def split_at_taps(layers: nn.Sequential, taps: Sequence[int]) -> list[nn.Module]:
    """The layers in as many parts as there are taps, each ending with its tap; the parts share the layers."""
    starts = [0, *(tap + 1 for tap in taps[:-1])]
    ends = [*(tap + 1 for tap in taps[:-1]), len(layers)]
    return [layers[start:end] for start, end in zip(starts, ends, strict=True)]


def with_channels(convolution: nn.Conv2d, channels: int) -> nn.Conv2d:
    """The same convolution for another number of input channels, He-initialized; itself where the number agrees."""
    if convolution.in_channels == channels:
        return convolution
    new = nn.Conv2d(
        channels,
        convolution.out_channels,
        convolution.kernel_size,  # type: ignore[arg-type]
        convolution.stride,  # type: ignore[arg-type]
        convolution.padding,  # type: ignore[arg-type]
        bias=convolution.bias is not None,
    )
    nn.init.kaiming_normal_(new.weight, nonlinearity="relu")
    if new.bias is not None:
        nn.init.zeros_(new.bias)
    return new
