"""Feature pyramids: every resolution with the meaning of the coarsest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone, last_maps
from zorki.nn.layers.initialize import initialize_he
from zorki.nn.layers.separable import separable_linear
from zorki.nn.layers.strided import StridedConv2d


class FeaturePyramid(nn.Module):
    """FPN (Lin et al., 2017, section 3): top-down sums of 1x1 convolutions, smoothed by 3x3 ones.

    `strides` are those of the output maps. Maps are taken from the backbone where it has them; coarser ones are
    made of the coarsest output, by strided 3x3 convolutions with ReLU between (RetinaNet's P6 and P7: Lin et al.,
    2017, section 4), or by taking every second place ("pool": Faster R-CNN's P6).

    Args:
        backbone: whose maps come in.
        strides: wanted, finest first. Finer ones than the backbone has are left out.
        channels: of every output map.
        extra: how maps coarser than the backbone's are made.
        separable: the 3x3 convolutions are depthwise-separable, each with a batch norm, see `separable_linear`.

    Raises:
        RecipeError: the backbone has no map of any wanted stride.
    """

    def __init__(
        self,
        backbone: Backbone,
        strides: Sequence[int],
        channels: int = 256,
        *,
        extra: Literal["conv", "pool"] = "conv",
        separable: bool = False,
    ) -> None:
        super().__init__()
        last = last_maps(backbone)
        found = [stride for stride in strides if stride in last]
        if not found:
            raise RecipeError(f"the backbone has maps of strides {backbone.strides}, but the pyramid wants {strides}")
        self.taps = [last[stride] for stride in found]
        coarser = [stride for stride in strides if stride > found[-1]]
        self.strides = (*found, *coarser)
        self.channels = channels
        self.inner = nn.ModuleList(nn.Conv2d(backbone.channels[tap], channels, 1) for tap in self.taps)
        self.pools = len(coarser) if extra == "pool" else 0
        made = () if self.pools else coarser
        if separable:
            self.outer = nn.ModuleList(separable_linear(channels, channels) for _ in self.taps)
            self.extra = nn.ModuleList(separable_linear(channels, channels, stride=2) for _ in made)
            initialize_he(self)
            return
        self.outer = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in self.taps)
        self.extra = nn.ModuleList(StridedConv2d(channels, channels, 3, stride=2, padding=1) for _ in made)
        for convolution in (*self.inner, *self.outer, *self.extra):
            nn.init.kaiming_uniform_(convolution.weight, a=1)
            nn.init.zeros_(convolution.bias)

    def forward(self, maps: Sequence[Tensor]) -> list[Float[Tensor, "B C _ _"]]:
        """Maps of `strides` from all maps of the backbone."""
        inner = [block(maps[tap]) for block, tap in zip(self.inner, self.taps, strict=True)]
        x = inner[-1]
        outputs = [self.outer[-1](x)]
        for index in range(len(inner) - 2, -1, -1):
            x = inner[index] + functional.interpolate(x, size=inner[index].shape[-2:], mode="nearest")
            outputs.insert(0, self.outer[index](x))
        for index, convolution in enumerate(self.extra):
            coarsest = outputs[-1]
            outputs.append(convolution(functional.relu(coarsest) if index else coarsest))
        for _ in range(self.pools):
            outputs.append(outputs[-1][:, :, ::2, ::2])
        return outputs


def pyramid_published(levels: int) -> dict[str, str]:
    """Where torchvision's names of a pyramid's weights stand in a model whose `neck` is a `FeaturePyramid`."""
    names = {"backbone.body.": "backbone.", "backbone.fpn.extra_blocks.p6.": "neck.extra.0."}
    names["backbone.fpn.extra_blocks.p7."] = "neck.extra.1."
    for level in range(levels):
        for block, ours in (("inner_blocks", "inner"), ("layer_blocks", "outer")):
            names[f"backbone.fpn.{block}.{level}.0."] = f"neck.{ours}.{level}."
            names[f"backbone.fpn.{block}.{level}."] = f"neck.{ours}.{level}."
    return names
