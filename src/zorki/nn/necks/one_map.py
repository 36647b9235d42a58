"""One feature map of a backbone, for networks that read no pyramid, and backbones without what nobody reads."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone, last_maps
from zorki.nn.backbones.darknet import Darknet24, Darknet53
from zorki.nn.backbones.mobilenet import MobileNetV3
from zorki.nn.backbones.resnet import ResNet
from zorki.nn.backbones.squeezenet import SqueezeNet
from zorki.nn.backbones.timm_backbone import TimmBackbone
from zorki.nn.backbones.vgg import Vgg


class OneMap(nn.Module):
    """The last map of one stride, as it is or, with `channels`, through a 1x1 convolution and ReLU.

    Raises:
        RecipeError: the backbone has no map of that stride.
    """

    def __init__(self, backbone: Backbone, stride: int, channels: int | None = None) -> None:
        super().__init__()
        if stride not in backbone.strides:
            raise RecipeError(f"the backbone has maps of strides {backbone.strides}, none of stride {stride}")
        self.tap = last_maps(backbone)[stride]
        self.strides = (stride,)
        self.channels = channels or backbone.channels[self.tap]
        self.reduce: nn.Module = nn.Identity()
        if channels is not None:
            convolution = nn.Conv2d(backbone.channels[self.tap], channels, 1)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            assert convolution.bias is not None
            nn.init.zeros_(convolution.bias)
            self.reduce = nn.Sequential(convolution, nn.ReLU(inplace=True))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return [self.reduce(maps[self.tap])]


def drop_later_maps(backbone: Backbone, tap: int) -> None:
    """Takes out of a network of the floor or of timm the layers behind its map number `tap`, which nobody would read.

    They would be computed for nothing, and get no gradient, which stops training in several processes. Networks of
    other kinds stay whole.
    """
    if _cut_behind(backbone, tap):
        backbone.channels, backbone.strides = backbone.channels[: tap + 1], backbone.strides[: tap + 1]


def _cut_behind(backbone: Backbone, tap: int) -> bool:
    if isinstance(backbone, SqueezeNet | MobileNetV3 | Vgg | Darknet24):
        backbone.features = backbone.features[: backbone.taps[tap] + 1]
        backbone.taps = backbone.taps[: tap + 1]  # type: ignore[assignment]  # each class has tuples of its own length
        return True
    if isinstance(backbone, Darknet53):
        backbone.groups = backbone.groups[: tap + 1]
        return True
    if isinstance(backbone, TimmBackbone):
        backbone.keep_maps(tap + 1)
        return True
    if isinstance(backbone, ResNet):
        for stage in range(tap + 1, 5):
            setattr(backbone, f"layer{stage}", nn.Identity())
        return True
    return False
