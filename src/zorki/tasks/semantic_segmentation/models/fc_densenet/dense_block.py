"""Dense blocks: every layer reads all maps before it (Huang et al., 2017: Densely Connected Convolutional Networks)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class NormConvolution(nn.Sequential):
    """Batch norm, ReLU, a convolution that keeps the size, dropout: the layer of DenseNets, in their order."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, dropout: float) -> None:
        super().__init__(
            nn.BatchNorm2d(in_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2),
            nn.Dropout(dropout),
        )


class DenseBlock(nn.Module):
    """`layers` layers, each of which adds `growth` maps to those that all later ones read.

    Each layer reads its own joined copy of all maps before it, so what training keeps for the way back grows with the
    square of the number of layers. With `checkpointing` a layer keeps what it adds alone, and joins and norms again
    on the way back: linear memory, for about one more forward pass. The outputs, gradients and statistics are the
    same.

    `channels` are those of `forward`'s output.
    """

    def __init__(
        self, in_channels: int, layers: int, growth: int, *, dropout: float = 0.0, checkpointing: bool = False
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            NormConvolution(in_channels + place * growth, growth, 3, dropout) for place in range(layers)
        )
        self.channels = layers * growth
        self.checkpointing = checkpointing

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """The new maps alone."""
        maps = [x]
        for layer in self.layers:
            if self.checkpointing and self.training and torch.is_grad_enabled():
                maps.append(_twice(layer, maps))
            else:
                maps.append(layer(_joined(maps)))
        return _joined(maps[1:])


def _joined(maps: list[Tensor]) -> Tensor:
    return torch.cat(maps, 1) if len(maps) > 1 else maps[0]


def _twice(layer: nn.Module, maps: list[Tensor]) -> Tensor:
    """The layer's output, which is computed again on the way back in place of being kept."""
    output: Tensor = checkpoint(
        _answer, layer, *maps, use_reentrant=False, context_fn=lambda: (nullcontext(), _statistics_rest(layer))
    )
    return output


def _answer(layer: nn.Module, *maps: Tensor) -> Tensor:
    """Each map is an argument of its own: what a list holds is not watched."""
    output: Tensor = layer(_joined(list(maps)))
    return output


@contextmanager
def _statistics_rest(layer: nn.Module) -> Iterator[None]:
    """Running averages do not move: the same batch shall not count twice."""
    norms: list[Any] = [module for module in layer.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(count)
