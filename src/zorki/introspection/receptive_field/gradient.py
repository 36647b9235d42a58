"""Receptive fields from gradients, which know no rules: what the followed ones are checked against."""

from __future__ import annotations

import copy

import torch
from torch import nn


def receptive_field_by_gradient(
    model: nn.Module, input_size: tuple[int, ...], at: tuple[int, ...] = ()
) -> tuple[tuple[int, int], ...]:
    """The pixels that one position of the output truly depends on, found by back-propagation: slow, and sure.

    Of a copy of `model` in which weights are positive, maxima are means and normalization does nothing, so that
    nothing cancels and nothing is hidden.

    Args:
        model: takes (1, C, *size); returns a map (1, K, *size) or a vector (1, K).
        input_size: (C, *size).
        at: position in the map, such as (row, column); empty for a vector.

    Returns:
        For each axis (first, last + 1), inside the image; (0, 0) where nothing is seen.
    """
    positive = _positive(copy.deepcopy(model)).double().eval()
    inputs = torch.ones(1, *input_size, dtype=torch.float64, requires_grad=True)
    outputs = positive(inputs)
    outputs[(0, slice(None), *at)].sum().backward()
    assert inputs.grad is not None
    seen = inputs.grad[0].abs().sum(dim=0) > 0
    ranges = []
    for axis in range(seen.dim()):
        others = [d for d in range(seen.dim()) if d != axis]
        line = (seen.any(dim=others[0]) if len(others) == 1 else seen.amax(dim=others) if others else seen).nonzero()
        ranges.append((int(line[0]), int(line[-1]) + 1) if len(line) else (0, 0))
    return tuple(ranges)


_NOTHING = (nn.ReLU, nn.ReLU6, nn.Tanh, nn.Sigmoid, nn.Hardswish, nn.Hardsigmoid, nn.SiLU, nn.GELU, nn.Dropout)
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LocalResponseNorm)


def _positive(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        if isinstance(child, nn.MaxPool2d) and child.dilation in (1, (1, 1)):
            setattr(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode))
        elif isinstance(child, (*_NOTHING, *_NORMS)):
            setattr(module, name, nn.Identity())
        else:
            _positive(child)
    for name, parameter in module.named_parameters(recurse=False):
        fan_in = max(1, parameter[0].numel()) if parameter.dim() > 1 else 1
        parameter.data.fill_(1 / fan_in if "bias" not in name else 0)
    return module
