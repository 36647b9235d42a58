"""On which pixels the positions of a map are centered: where their outputs are centered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zorki.introspection.receptive_field.trace import Trace


class Grid(NamedTuple):
    """Position i of a map, along either axis, is centered at `first` + i * `jump`, in pixels.

    Pixels themselves are `Grid(0.5, 1.0)`. A map that parts the image into cells has its first center at half a
    jump; few networks do. A 3x3 convolution of stride 2, padded by one, is centered on every second pixel from the
    first on, so ResNet's coarsest positions lie 15.5 pixels from the middle of their cells.
    """

    first: float
    jump: float


PIXELS = Grid(0.5, 1.0)


def map_grids(
    network: nn.Module, run: Callable[[Tensor], Sequence[Tensor]], strides: Sequence[int], size: int = 256
) -> list[Grid]:
    """Where the positions of a network's maps are centered: in the middle of what they see.

    What sees the whole image in one number a channel (squeeze and excitation) is left out. A map whose positions see
    everything has no middle (attention), and is taken to part the image into cells of its stride.

    Args:
        network: holds every weight that `run` uses; may lie on any device. It is not changed.
        run: from images (1, 3, size, size) to maps (1, C, H, W).
        strides: of the maps.
        size: of the input, in pixels.
    """
    whole = _Part(network, run)
    tensors = {**dict(whole.named_parameters()), **dict(whole.named_buffers())}
    shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    source = torch.empty((1, 3, size, size), device="meta")
    modes = {module: module.training for module in network.modules()}
    try:
        with torch.inference_mode(), _LocalTrace(source) as trace:
            maps = torch.func.functional_call(whole.eval(), shapes, (source,), tie_weights=False)
    finally:
        for module, mode in modes.items():
            module.training = mode
    return [_grid(trace, one, stride) for one, stride in zip(maps, strides, strict=True)]


def _grid(trace: Trace, maps: Tensor, stride: int) -> Grid:
    field = trace.of(maps)
    jump = field.jump[0] if field is not None and not field.whole[0] else None
    if field is None or jump is None or jump != stride:
        return Grid(stride / 2, float(stride))
    return Grid(float(field.low[0] + field.high[0]) / 2, float(jump))


class _Part(nn.Module):
    """A part of a network's work as a network."""

    def __init__(self, network: nn.Module, run: Callable[[Tensor], Sequence[Tensor]]) -> None:
        super().__init__()
        self.network = network
        self.run = run

    def forward(self, x: Tensor) -> list[Tensor]:
        return list(self.run(x))


class _LocalTrace(Trace):
    """Without what sums up a whole map."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = super().__torch_dispatch__(func, types, args, kwargs)
        if isinstance(output, Tensor) and args and isinstance(args[0], Tensor):
            summed = output.dim() >= 2 and args[0].dim() == 4 and min(args[0].shape[2:]) > 1
            if summed and output.shape[2:].numel() == 1:
                self._fields.pop(output, None)
        return output
