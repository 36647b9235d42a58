"""The frames of a video, read when they are asked for: a sequence of thousands does not fit into memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from torch import Tensor


class Frames(ABC):
    """In the place of a tensor (T, 3, H, W), of which single frames are read, all of one size. Picklable."""

    ndim = 4

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, number: int) -> UInt8[Tensor, "3 H W"]:
        """The frame. Raises DataError where it cannot be read, IndexError beyond the last."""

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames, in pixels."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, 3, H, W)."""
        return len(self), 3, *self.size

    def __iter__(self) -> Iterator[UInt8[Tensor, "3 H W"]]:
        return (self[number] for number in range(len(self)))
