"""Backbones whose last maps stay fine: strides become dilation (Yu and Koltun, 2016; Chen et al., 2017, sec. 3.1)."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone as backbone_named

Kind = TypeVar("Kind", bound=Backbone)

_SIDE = 1024  # pixels of the input that tells strides by the sizes of maps; shapes alone, so it costs nothing


def dilated_backbone(name: str, output_stride: int) -> Backbone:
    """The backbone of that name (see `zorki.nn.backbones.named`) with no map coarser than `output_stride`.

    Networks of timm are built so by timm itself.

    Raises:
        RecipeError: there is no such backbone, or it cannot be had with that stride.
    """
    if name.startswith("timm:"):
        from zorki.nn.backbones.timm_backbone import TimmBackbone

        network = TimmBackbone(name.removeprefix("timm:"), any_size=True, output_stride=output_stride)
        network.keep_maps(len(network.channels))
        return network
    return dilate(backbone_named(name), output_stride, name)


def dilate(backbone: Kind, output_stride: int, name: str = "the backbone", *, early: bool = False) -> Kind:
    """Changes a backbone so that no map is coarser than `output_stride` pixels, and returns it; weights stay.

    What would have halved a map walks over every place of it, and all kernels behind it are dilated by two: so the
    network gives at every second place what it gave before, and the same kind of output between them (the
    algorithm à trous). Pools that had no padding get some, so that their windows are centered; the places that respond
    as before are then not the even ones. An even kernel on an odd dilation cannot be centered and hangs half a place
    to the bottom right.

    Args:
        backbone: of convolutions and max pools; changed in place.
        output_stride: one of the backbone's strides.
        name: of the backbone, for the error.
        early: a convolution that loses its stride is dilated at once, and not only those behind it. torchvision's
            dilated MobileNetV3 is made so.

    Raises:
        RecipeError: the backbone has no map of that stride, or has layers that cannot be dilated.
    """
    if output_stride not in backbone.strides:
        raise RecipeError(
            f"{name} has maps of strides {', '.join(map(str, sorted(set(backbone.strides))))}; "
            f"an output stride of {output_stride} is none of them"
        )
    for path, (layer, stride) in _strided_layers(backbone).items():
        _dilate_layer(backbone, path, layer, stride, output_stride, early, name)
    backbone.strides = tuple(min(stride, output_stride) for stride in backbone.strides)
    return backbone


def _strided_layers(backbone: Backbone) -> dict[str, tuple[nn.Module, int]]:
    """Layers that slide a kernel, by name, and the stride of the map that each one reads."""
    found: dict[str, tuple[nn.Module, int]] = {}
    kinds = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)

    def note(path: str) -> Any:
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            found[path] = (layer, 2 ** round(math.log2(_SIDE / inputs[0].shape[-1])))

        return hook

    named = [(path, layer) for path, layer in backbone.named_modules() if isinstance(layer, kinds)]
    handles = [layer.register_forward_pre_hook(note(path)) for path, layer in named]
    tensors = {**dict(backbone.named_parameters()), **dict(backbone.named_buffers())}
    shapes = {key: torch.empty_like(tensor, device="meta") for key, tensor in tensors.items()}
    in_channels = next(layer.in_channels for _, layer in named if isinstance(layer, nn.Conv2d))
    training = backbone.training
    try:
        with torch.inference_mode():
            inputs = torch.empty((1, in_channels, _SIDE, _SIDE), device="meta")
            torch.func.functional_call(backbone.eval(), shapes, (inputs,), tie_weights=False)
    finally:
        backbone.train(training)
        for handle in handles:
            handle.remove()
    return found


def _dilate_layer(
    backbone: Backbone, path: str, layer: Any, stride: int, output_stride: int, early: bool, name: str
) -> None:
    """One layer that read a map of `stride`, on the finer map that it will read."""
    kernel, step = _one(layer.kernel_size), _one(layer.stride)
    if (kernel == 1 and step == 1) or stride * step <= output_stride:
        return
    spread = max(1, stride // output_stride) if kernel > 1 else 1
    kept = max(1, output_stride // stride) if step > 1 else 1  # what is left of the layer's own stride
    if early and step > kept and kernel > 1:
        spread *= step // kept
    whole_steps = step % kept == 0 and kept in (1, step)
    if isinstance(layer, nn.AvgPool2d) or not whole_steps or _one(getattr(layer, "dilation", 1)) != 1:
        raise RecipeError(
            f"{name} cannot be had with an output stride of {output_stride}: its layer {path} "
            f"({type(layer).__name__} of kernel {kernel} and stride {step}) cannot be dilated; choose another stride"
        )
    reach = spread * (kernel - 1)
    if isinstance(layer, nn.MaxPool2d):
        _replace(backbone, path, _dilated_pool(kernel, spread, reach))
        return
    if _one(layer.padding) * 2 != kernel - 1:
        raise RecipeError(f"{name} cannot be dilated: its convolution {path} does not keep the size of its map")
    layer.stride, layer.dilation, layer.padding = (kept, kept), (spread, spread), (reach // 2, reach // 2)


def _dilated_pool(kernel: int, spread: int, reach: int) -> nn.Module:
    if kernel % 2 and spread == 1:
        return nn.MaxPool2d(kernel, 1, padding=reach // 2)
    before, behind = reach // 2, reach - reach // 2
    sides = (before, behind, before, behind)
    # An even window has no place in its middle, and of two places both could be padding: maps repeat at their edges.
    pad = nn.ConstantPad2d(sides, -math.inf) if kernel % 2 else nn.ReplicationPad2d(sides)
    return nn.Sequential(pad, nn.MaxPool2d(kernel, 1, dilation=spread))


def _replace(backbone: Backbone, path: str, layer: nn.Module) -> None:
    parent, _, last = path.rpartition(".")
    setattr(backbone.get_submodule(parent), last, layer)


def _one(value: int | str | tuple[int, ...]) -> int:
    """One number for both axes; -1 where they differ, or where a word stands."""
    if isinstance(value, int):
        return value
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else -1
