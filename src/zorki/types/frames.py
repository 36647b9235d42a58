"""The frames of a video, read when they are asked for: a sequence of thousands does not fit into memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
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


class Film(Frames):
    """Frames that are also found by the time at which they are shown; time 0 is the first frame's."""

    @property
    @abstractmethod
    def rate(self) -> float:
        """Frames a second, on average."""

    @property
    @abstractmethod
    def duration(self) -> float:
        """Seconds, to the end of the last frame."""

    @abstractmethod
    def at(self, seconds: Sequence[float]) -> UInt8[Tensor, "T 3 H W"]:
        """The frames that are shown at these times, in their order; beyond the ends the first and the last.

        Raises:
            DataError: the film cannot be read, or not so far: with how many frames there are before the break.
        """

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Words that differ where the frames do, without decoding any: what is cached is found by them."""

    def __len__(self) -> int:
        return max(1, round(self.duration * self.rate))

    def __getitem__(self, number: int) -> UInt8[Tensor, "3 H W"]:
        """The frame of that number, counted by the average rate."""
        if not 0 <= number < len(self):
            raise IndexError(f"frame {number} of {len(self)}")
        return self.at([(number + 0.5) / self.rate])[0]
