"""The network whose features losses compare: the convolutions of a classifier, cut behind the last layer in use."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from zorki.errors import RecipeError, did_you_mean
from zorki.nn.layers.normalize import Normalize

PerceptualName = Literal["vgg19", "vgg16", "squeezenet"]
POOLINGS = ("max", "average")

_CONTENT: Mapping[PerceptualName, str] = {"vgg19": "relu4_2", "vgg16": "relu4_2", "squeezenet": "fire3"}
_STYLE: Mapping[PerceptualName, str] = {
    "vgg19": "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1",
    "vgg16": "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1",
    "squeezenet": "relu1,fire3,fire5,fire7,fire9",
}


@dataclass(frozen=True)
class Geometry:
    """Where the features of a layer look, along one axis: feature i sees pixels from i * stride - before on.

    Attributes:
        stride: pixels from one feature to the next.
        before: pixels that the first feature reaches over the image's edge.
        field: pixels that a feature sees.
    """

    stride: int = 1
    before: int = 0
    field: int = 1

    def then(self, kernel: int, stride: int, padding: int) -> Geometry:
        """Behind a layer that slides a window."""
        return Geometry(
            self.stride * stride, self.before + padding * self.stride, self.field + (kernel - 1) * self.stride
        )


class PerceptualNetwork(nn.Module):
    """Features of named layers of a classifier trained on ImageNet. Its weights never learn.

    Names of layers are those of the papers: conv4_2 is the second convolution before the fourth pool of VGG, and
    relu4_2 what comes out of the rectifier behind it; SqueezeNet has conv1, relu1, and fire2 to fire9.

    Args:
        name: "vgg19", "vgg16" or "squeezenet" (1.0).
        content_layers, style_layers: names with commas between; "" takes those of the paper.
        pooling: "max" as the classifiers were trained, or "average", which Gatys et al. (section 2) found to give
            slightly more appealing results.

    Raises:
        RecipeError: there is no such layer.
    """

    def __init__(
        self, name: PerceptualName, *, content_layers: str = "", style_layers: str = "", pooling: str = "max"
    ) -> None:
        super().__init__()
        if name not in get_args(PerceptualName):
            raise RecipeError(
                f"no network for perceptual losses is named {name!r}; there are {', '.join(get_args(PerceptualName))}"
            )
        features, places = _squeezenet() if name == "squeezenet" else _vgg(name)
        self.content_layers = _names(content_layers or _CONTENT[name], places)
        self.style_layers = _names(style_layers or _STYLE[name], places)
        self.layers = tuple(dict.fromkeys((*self.content_layers, *self.style_layers)))
        self.places = tuple(places[layer] for layer in self.layers)
        self.normalize = Normalize()
        self.features = _prepared(features[: max(self.places) + 1], pooling, self.places)
        self.requires_grad_(False)
        self.geometry = dict(zip(self.layers, _geometries(self.features, self.places), strict=True))

    def forward(
        self, images: Float[Tensor, "B 3 H W"], tap: Callable[[str, Tensor], Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Feature maps by layer, of images that are normalized (`normalize`).

        Args:
            tap: is given each layer's name and map, and gives back the map that the next layer gets.

        Raises:
            RecipeError: the images are too small for the last layer.
        """
        maps: dict[str, Tensor] = {}
        names = dict(zip(self.places, self.layers, strict=True))
        dtype = next(self.features.parameters()).dtype
        x = images.to(dtype).contiguous(memory_format=torch.channels_last)
        try:
            for place, layer in enumerate(self.features):
                x = layer(x)
                if place in names:
                    x = maps[names[place]] = x if tap is None else tap(names[place], x)
        except RuntimeError as error:
            if min(images.shape[2:]) >= 64:
                raise
            raise RecipeError(
                f"an image of {images.shape[2]}x{images.shape[3]} pixels is too small for {self.layers[-1]}"
            ) from error
        return {layer: maps[layer] for layer in self.layers}

    def in_precision(self, dtype: torch.dtype) -> PerceptualNetwork:
        """A copy whose features are computed in other numbers, its weights laid out as quick convolutions like them.

        Under autocast, weights that learn nothing would be converted anew at every step.
        """
        other = copy.copy(self)
        other._modules = dict(self._modules)
        other.features = copy.deepcopy(self.features).to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return other

    def denormalized(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """Pixels 0..255 of normalized ones; what lies outside stays outside."""
        return (images * self.normalize.std + self.normalize.mean) * 255

    @property
    def stride(self) -> int:
        """Pixels from one feature of the last layer to the next."""
        return max(one.stride for one in self.geometry.values())


class UnshuffledStem(nn.Conv2d):
    """A first convolution of stride 2, computed as one of stride 1 over four pixels at a time.

    The same sums; but the gradient of three channels, which classifiers never ask for, takes a third of the time.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        assert layer.padding == (0, 0), layer
        super().__init__(layer.in_channels, layer.out_channels, _side(layer.kernel_size), 2)
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        side = self.weight.shape[2]
        weight = functional.pad(self.weight, (0, side % 2, 0, side % 2))
        x = functional.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))
        return functional.conv2d(_folded(x), _folded(weight), self.bias)


def _folded(x: Tensor) -> Tensor:
    return functional.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)


class Rectifier(nn.ReLU):
    """A rectifier whose gradient takes the memory of the one that comes in, which in a chain is nobody else's."""

    def forward(self, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return super().forward(x)
        found: Tensor = _Rectify.apply(x, self.inplace)  # type: ignore[no-untyped-call]
        return found


class _Rectify(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, inplace: bool) -> Tensor:
        if inplace:
            context.mark_dirty(x)
        found = x.relu_() if inplace else x.relu()
        context.save_for_backward(found)
        return found

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (found,) = context.saved_tensors
        if not gradient.is_contiguous(memory_format=torch.channels_last):  # a part of another
            return torch.ops.aten.threshold_backward(gradient, found, 0), None
        return torch.ops.aten.threshold_backward.grad_input(gradient, found, 0, grad_input=gradient), None


def _vgg(name: PerceptualName) -> tuple[nn.Sequential, dict[str, int]]:
    from zorki.nn.backbones.vgg import Vgg

    features = Vgg("E" if name == "vgg19" else "D").features
    places: dict[str, int] = {}
    block, number = 1, 0
    for place, layer in enumerate(features):
        if isinstance(layer, nn.Conv2d):
            number += 1
            places[f"conv{block}_{number}"] = place
        elif isinstance(layer, nn.ReLU):
            places[f"relu{block}_{number}"] = place
        else:
            block, number = block + 1, 0
    return features, places


def _squeezenet() -> tuple[nn.Sequential, dict[str, int]]:
    from zorki.nn.backbones.squeezenet import SqueezeNet

    features = SqueezeNet("1_0").features
    fires = [place for place, layer in enumerate(features) if not isinstance(layer, nn.Conv2d | nn.ReLU | nn.MaxPool2d)]
    return features, {"conv1": 0, "relu1": 1} | {f"fire{number}": place for number, place in enumerate(fires, 2)}


def _names(text: str, places: Mapping[str, int]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in places:
            raise RecipeError(f"there is no layer {name!r}.{did_you_mean(name, places)} There are {', '.join(places)}")
    if not names:
        raise RecipeError(f"no layer is named in {text!r}; there are {', '.join(places)}")
    return names


def _prepared(features: nn.Sequential, pooling: str, places: Sequence[int]) -> nn.Sequential:
    """Layers that leave the maps in use as they are, and the pools asked for."""
    if pooling not in POOLINGS:
        raise RecipeError(f"pooling is {pooling!r}; expected one of {', '.join(POOLINGS)}")
    layers: list[nn.Module] = []
    for place, layer in enumerate(features):
        if isinstance(layer, nn.Conv2d) and layer.in_channels == 3 and layer.stride == (2, 2):
            layers.append(UnshuffledStem(layer))
        elif isinstance(layer, nn.ReLU):
            layers.append(Rectifier(inplace=place - 1 not in places))
        elif isinstance(layer, nn.MaxPool2d) and pooling == "average":
            layers.append(nn.AvgPool2d(_side(layer.kernel_size), _side(layer.stride), ceil_mode=layer.ceil_mode))
        else:
            for name, child in layer.named_children():
                if isinstance(child, nn.ReLU):
                    layer.add_module(name, Rectifier(inplace=True))
            layers.append(layer)
    return nn.Sequential(*layers)


def _side(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple) else value)


def _geometries(features: nn.Sequential, places: Sequence[int]) -> list[Geometry]:
    found: list[Geometry] = []
    now = Geometry()
    for layer in features:
        for kernel, stride, padding in _windows(layer):
            now = now.then(kernel, stride, padding)
        found.append(now)
    return [found[place] for place in places]


def _windows(layer: nn.Module) -> Iterator[tuple[int, int, int]]:
    """Kernel, stride and padding of the widest way through a layer."""
    if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        yield _side(layer.kernel_size), _side(layer.stride), _side(layer.padding)
    elif list(layer.children()):  # a Fire module: 1x1 to squeeze, then 1x1 and 3x3 side by side
        yield 3, 1, 1


def content_distance(features: Tensor, targets: Tensor) -> Tensor:
    """The content loss of a layer (equation 1 of Gatys et al., as a mean over features)."""
    dtype = torch.promote_types(features.dtype, torch.float32)
    return functional.mse_loss(features.to(dtype), targets.to(dtype))


def noise_like(images: Float[Tensor, "B C H W"], seed: int) -> Float[Tensor, "B C H W"]:
    """Pixels drawn evenly from all colors, normalized as the images are: the same on every device."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(images.shape, generator=generator).to(images)
