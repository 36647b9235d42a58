"""In which order the samples of an epoch come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from jaxtyping import Int64
    from torch import Tensor


@runtime_checkable
class Sampler(Protocol):
    """Draws the samples of each epoch; see `zorki.data.loading.samplers`."""

    count: int
    """How many samples it draws from."""

    batch_size: int | None
    """The only batch size that goes with it; None: any."""

    group: int
    """How many samples in a row stay together in one process."""

    def __len__(self) -> int:
        """How many samples it draws for an epoch."""

    def order(self, seed: int, epoch: int) -> Int64[Tensor, " N"]:
        """Places 0..count-1 in the order in which they come; seed and epoch alone decide."""
