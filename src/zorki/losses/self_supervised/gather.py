"""Rows of all processes that train together, with gradients to those they came from."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def gather_rows(rows: Float[Tensor, "N *S"]) -> Float[Tensor, "M *S"]:
    """The rows of every process in the order of their ranks; the rows themselves where there is one process.

    Gradients go back to each process. Losses are means, and DDP averages the gradients of all processes, so a loss over
    gathered rows learns as one process with the whole batch does.
    """
    return _Gather.apply(rows) if _world() > 1 else rows  # type: ignore[no-untyped-call, no-any-return]


def first_row(count: int) -> int:
    """Where this process's `count` rows begin among those that `gather_rows` gives."""
    return torch.distributed.get_rank() * count if _world() > 1 else 0


def gather_values(rows: Shaped[Tensor, "N *S"]) -> Shaped[Tensor, "M *S"]:
    """As `gather_rows`, of any type, and without gradients."""
    if _world() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(_world())]
    torch.distributed.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:
        context.count = len(rows)
        return gather_values(rows)

    @staticmethod
    def backward(context: Any, slope: Tensor) -> Tensor:  # type: ignore[override]
        total = slope.contiguous().clone()
        torch.distributed.all_reduce(total)
        start = first_row(context.count)
        return total[start : start + context.count]


def _world() -> int:
    there = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if there else 1
