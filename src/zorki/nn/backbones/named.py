"""Backbones by name, for the builders whose network stands on any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from zorki.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from zorki.nn.backbones.backbone import Backbone


def _squeezenet(version: Any) -> Callable[[], Backbone]:
    def make() -> Backbone:
        from zorki.nn.backbones.squeezenet import SqueezeNet

        return SqueezeNet(version)

    return make


def _mobilenet(version: Any) -> Callable[[], Backbone]:
    def make() -> Backbone:
        from zorki.nn.backbones.mobilenet import MobileNetV3

        return MobileNetV3(version)

    return make


def _resnet(depth: Any, stem: Any = "7x7") -> Callable[[], Backbone]:
    def make() -> Backbone:
        from zorki.nn.backbones.resnet import ResNet

        return ResNet(depth, stem=stem)

    return make


def _vgg(configuration: Any, batch_norm: bool = False) -> Callable[[], Backbone]:
    def make() -> Backbone:
        from zorki.nn.backbones.vgg import Vgg

        return Vgg(configuration, batch_norm=batch_norm)

    return make


def _cifar_resnet(depth: Any) -> Callable[[], Backbone]:
    def make() -> Backbone:
        from zorki.nn.backbones.cifar_resnet import CifarResNet

        return CifarResNet(depth)

    return make


def _conv4() -> Backbone:
    from zorki.nn.backbones.conv4 import Conv4

    return Conv4()


def _darknet(name: Any) -> Callable[[], Backbone]:
    def make() -> Backbone:
        from zorki.nn.backbones import darknet

        return getattr(darknet, name)()

    return make


BACKBONES: Mapping[str, Callable[[], Backbone]] = {
    "squeezenet": _squeezenet("1_0"),
    "squeezenet1_0": _squeezenet("1_0"),
    "squeezenet1_1": _squeezenet("1_1"),
    "mobilenet_v3_small": _mobilenet("small"),
    "mobilenet_v3_large": _mobilenet("large"),
    **{f"resnet{depth}": _resnet(depth) for depth in (18, 34, 50, 101, 152)},
    **{f"resnet{depth}_3x3": _resnet(depth, "3x3") for depth in (18, 34, 50)},
    **{
        f"vgg{layers}{suffix}": _vgg(configuration, bool(suffix))
        for layers, configuration in ((11, "A"), (13, "B"), (16, "D"), (19, "E"))
        for suffix in ("", "_bn")
    },
    **{f"cifar_resnet{depth}": _cifar_resnet(depth) for depth in (20, 32, 44, 56, 110)},
    "conv4": _conv4,
    "darknet24": _darknet("Darknet24"),
    "darknet53": _darknet("Darknet53"),
}

IMAGENET: Mapping[str, str] = {
    "squeezenet": "torchvision:SqueezeNet1_0_Weights.IMAGENET1K_V1",
    "squeezenet1_0": "torchvision:SqueezeNet1_0_Weights.IMAGENET1K_V1",
    "squeezenet1_1": "torchvision:SqueezeNet1_1_Weights.IMAGENET1K_V1",
    "mobilenet_v3_small": "torchvision:MobileNet_V3_Small_Weights.IMAGENET1K_V1",
    "mobilenet_v3_large": "torchvision:MobileNet_V3_Large_Weights.IMAGENET1K_V1",
    **{f"resnet{depth}": f"torchvision:ResNet{depth}_Weights.IMAGENET1K_V1" for depth in (18, 34, 50, 101, 152)},
    **{
        f"vgg{layers}{suffix}": f"torchvision:VGG{layers}{suffix.upper()}_Weights.IMAGENET1K_V1"
        for layers in (11, 13, 16, 19)
        for suffix in ("", "_bn")
    },
}
"""Where each backbone's ImageNet weights are published."""


def for_small_images(name: str) -> str:
    """The backbone of the same layers for images of 64 pixels and below; the name itself where there is none."""
    return f"{name}_3x3" if f"{name}_3x3" in BACKBONES else name


def backbone(name: str) -> Backbone:
    """The backbone of that name, for inputs of any size; `timm:NAME` is any network of timm that gives feature maps.

    Networks of timm have nothing behind their last map: `top` is not for them.

    Raises:
        RecipeError: there is no such backbone, it gives no feature maps, or it takes inputs of one size only.
    """
    check_backbone(name)
    if name.startswith("timm:"):
        from zorki.nn.backbones.timm_backbone import TimmBackbone

        network = TimmBackbone(name.removeprefix("timm:"), any_size=True)
        if not network.channels:
            raise RecipeError(f"{name} gives no feature maps; choose a network with falling resolutions")
        network.keep_maps(len(network.channels))
        return network
    return BACKBONES[name]()


def check_backbone(name: str) -> None:
    """Raises RecipeError, with the nearest names, where there is no backbone of that name. Builds nothing."""
    if name.startswith("timm:"):
        from zorki.nn.backbones.timm_backbone import timm_settings

        timm_settings(name.removeprefix("timm:"))
    elif name not in BACKBONES:
        raise RecipeError(
            f"no backbone is named {name!r}.{did_you_mean(name, BACKBONES)} "
            f"There are: {', '.join(BACKBONES)}, and timm:NAME"
        )


def backbone_statistics(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of the pixels, in units of 0..1, that the backbone's published weights want."""
    if name.startswith("timm:"):
        from zorki.nn.backbones.timm_backbone import timm_settings

        settings = timm_settings(name.removeprefix("timm:"))
        return tuple(settings["mean"]), tuple(settings["std"])
    from zorki.nn.layers.normalize import IMAGENET_MEAN, IMAGENET_STD

    return IMAGENET_MEAN, IMAGENET_STD


def backbone_published(name: str) -> dict[str, str]:
    """Where names of published classification weights stand in a model whose `backbone` is this; see `our_name`."""
    return {"": "backbone.network."} if name.startswith("timm:") else {}


def backbone_weights(name: str) -> dict[str, str]:
    """The words of `--weights` that a model on this backbone understands, and their sources."""
    if name.startswith("timm:"):
        from timm.models import is_model_pretrained

        return {"imagenet": name} if is_model_pretrained(name.removeprefix("timm:")) else {}
    return {"imagenet": IMAGENET[name]} if name in IMAGENET else {}
