"""Which part of the image a position of a layer's map sees."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zorki.introspection.receptive_field.field import Field
from zorki.introspection.receptive_field.trace import Trace


def field_of_layer(layer: nn.Module, run: Callable[[], Any], pixels: Tensor) -> Field | None:
    """What the output of a layer sees of `pixels`, the input (B, C, H, W) of what `run` runs.

    None where the layer does not run, or its output hangs on no pixel.
    """
    found: list[Field | None] = []
    with torch.inference_mode(), Trace(pixels) as trace:
        handle = layer.register_forward_hook(lambda module, inputs, output: found.append(trace.of(output)))
        try:
            run()
        finally:
            handle.remove()
    return found[-1] if found else None


def seen_by_position(field: Field, position: tuple[int, ...]) -> tuple[int, ...]:
    """The pixels (top, left, bottom, right) that a position (row, column) of a map sees, ends not counted.

    They may reach beyond the image, where a network pads. Without a position, or where it sees everything: all pixels.
    """
    low, high = [], []
    for axis, size in enumerate(field.image):
        jump = field.jump[axis]
        if field.whole[axis] or jump is None or axis >= len(position):
            low.append(0)
            high.append(size)
        else:
            low.append(math.floor(field.low[axis] + position[axis] * jump))
            high.append(math.ceil(field.high[axis] + position[axis] * jump))
    return (*low, *high)
