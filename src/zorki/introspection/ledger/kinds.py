"""The textbooks' names of layers: CONV3-64, POOL2, FC-4096."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def textbook_name(module: nn.Module, shape: tuple[int, ...]) -> str:
    """CONV3-64, POOL2, FC-4096, ... and the class's name for what textbooks have no word for."""
    for types, name in _KINDS:
        if isinstance(module, types):
            return name(module, shape)
    return type(module).__name__


def _convolution(module: Any, shape: tuple[int, ...]) -> str:
    depthwise = module.groups == module.in_channels > 1
    word = "UPCONV" if module.transposed else "DWCONV" if depthwise else "CONV"
    notes = [f"/{one(module.stride)}"] * (set(module.stride) != {1})
    notes += [f"dilated {one(module.dilation)}"] * (set(module.dilation) != {1})
    notes += [f"{module.groups} groups"] * (module.groups > 1 and not depthwise)
    return " ".join([f"{word}{one(module.kernel_size)}-{module.out_channels}", *notes])


def _pooling(word: str) -> Callable[[Any, tuple[int, ...]], str]:
    def name(module: Any, shape: tuple[int, ...]) -> str:
        kernel, stride = one(module.kernel_size), one(module.stride)
        return f"{word}{kernel}" + (f" /{stride}" if stride != kernel else "")

    return name


def _adaptive_pooling(module: Any, shape: tuple[int, ...]) -> str:
    return "GLOBALPOOL" if set(shape[1:]) <= {1} else f"ADAPTIVEPOOL-{one(shape[1:])}"


def one(sizes: Any) -> str:
    """One number where all are equal, else 3x5."""
    values = list(sizes) if isinstance(sizes, tuple | list | torch.Size) else [sizes]
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))


def _word(word: str) -> Callable[[Any, tuple[int, ...]], str]:
    return lambda module, shape: word


_KINDS: list[tuple[Any, Callable[[Any, tuple[int, ...]], str]]] = [
    (nn.modules.conv._ConvNd, _convolution),
    (nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d, _pooling("POOL")),
    (nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d, _pooling("AVGPOOL")),
    (nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d | nn.AdaptiveAvgPool3d, _adaptive_pooling),
    (nn.AdaptiveMaxPool1d | nn.AdaptiveMaxPool2d | nn.AdaptiveMaxPool3d, _adaptive_pooling),
    (nn.Linear, lambda module, shape: f"FC-{module.out_features}"),
    (nn.modules.batchnorm._BatchNorm, _word("BN")),
    (nn.LayerNorm, _word("LN")),
    (nn.GroupNorm, _word("GN")),
    (nn.LocalResponseNorm, _word("LRN")),
    (nn.MultiheadAttention, lambda module, shape: f"ATTENTION-{module.num_heads}"),
    (nn.ReLU, _word("RELU")),
    (nn.modules.dropout._DropoutNd, _word("DROPOUT")),
]
