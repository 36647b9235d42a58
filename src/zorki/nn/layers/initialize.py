"""Where training from scratch starts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


def initialize_he(network: nn.Module) -> None:
    """He initialization (He et al., 2015: Delving Deep into Rectifiers, eq. 10) of convolutions and linear layers.

    Gaussian weights of deviation sqrt(2 / fan-in) keep the spread of the activations behind ReLUs; biases start at 0,
    norms as the identity.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        elif isinstance(layer, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


def initialize_output(layer: nn.Linear | nn.Conv2d) -> None:
    """A last layer whose outputs are nearly 0: Gaussian weights of deviation 0.1 / sqrt(fan-in), bias 0.

    So an untrained classifier's loss is close to log(num_classes), the loss of one that knows nothing, however wide
    the layer below is.
    """
    nn.init.normal_(layer.weight, std=0.1 / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


@contextmanager
def without_values() -> Iterator[None]:
    """Networks built inside are shapes alone, on the meta device: no memory, and no random numbers.

    Normal numbers are left out here because for the meta device they are Python code, which loads PyTorch's compiler
    first: seconds, where all else takes milliseconds.
    """
    with torch.device("meta"), _NoNormalNumbers():
        yield


class _NoNormalNumbers(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (nn.init.normal_, torch.Tensor.normal_):  # the former gives itself its tensor by name
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **kwargs)
