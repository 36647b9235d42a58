"""Receptive fields of segmenters, followed by rules and found by gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zorki.introspection.receptive_field import Trace, receptive_field_by_gradient


class Bare(nn.Module):
    """The maps of a segmenter, from normalized pixels."""

    def __init__(self, segmenter: nn.Module) -> None:
        super().__init__()
        self.segmenter = segmenter

    def forward(self, pixels: Tensor) -> Tensor:
        return self.segmenter.maps(pixels)[0]


def by_rules(segmenter: nn.Module, height: int, width: int) -> tuple[tuple[int, int], ...]:
    """For each axis what a pixel sees, (first, last + 1) as seen from itself."""
    source = torch.zeros(1, 3, height, width)
    with torch.inference_mode(), Trace(source) as trace:
        answer = Bare(segmenter).eval()(source)
    field = trace.of(answer)
    assert field is not None
    assert field.jump == (1, 1)
    return tuple((int(low), int(high)) for low, high in zip(field.low, field.high, strict=True))


def by_gradient(
    segmenter: nn.Module, height: int, width: int, steps: int | Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """The same, the union over neighboring pixels on the diagonal, since they see differently.

    Args:
        steps: how many from the middle on, or which; where the columns end, the last is taken.
    """
    spans = []
    for step in range(steps) if isinstance(steps, int) else steps:
        at = (height // 2 + step, min(width // 2 + step, width - 1))
        seen = receptive_field_by_gradient(Bare(segmenter), (3, height, width), at)
        spans.append([(first - place, last - place) for (first, last), place in zip(seen, at, strict=True)])
    return tuple((min(low for low, _ in axis), max(high for _, high in axis)) for axis in zip(*spans, strict=True))
