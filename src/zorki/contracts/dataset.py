"""Samples of one dataset, in splits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from zorki.errors import DataError
from zorki.types import ArraySample, ClassInfo, Defect, Sample

T = TypeVar("T")  # target


class Dataset(ABC, Generic[T]):
    """Samples of one dataset, in splits, with what was found wrong while reading.

    Picklable, so that it travels to worker processes; reading a sample is lazy.
    """

    root: Path
    format: str  # "folders", "csv", "idx", ...
    reason: str  # how the format was recognized, for a person
    class_names: list[str]
    in_memory: bool = False  # nothing is decoded when a sample is read
    may_be_mirrored: bool = True  # a mirrored image keeps its meaning, as photos do and digits do not
    splits: dict[str, list[int]]  # name of the split -> indices of samples
    split_reason: str  # where the splits come from, for a person
    defects: list[Defect]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Sample[T]:
        """The sample, decoded. Raises DataError where the file is broken."""

    @abstractmethod
    def target(self, index: int) -> T:
        """The annotation alone: no image is decoded."""

    def arrays(self, index: int) -> ArraySample:
        """The sample in numpy, to be drawn; data in files are read so without torch. Raises DataError."""
        return self[index].numpy()

    def target_arrays(self, index: int) -> Any:
        """`target` in numpy, to be counted or drawn; annotations in files are read so without torch."""
        return self.target(index).numpy()  # type: ignore[attr-defined]

    @abstractmethod
    def path(self, index: int) -> Path: ...

    @abstractmethod
    def check(self, index: int) -> Defect | None:
        """A quick look at the sample's file, without decoding: is it there, is it whole, is it not too large?"""

    def class_info(self) -> ClassInfo:
        """The classes, with the numbers and colors that the data themselves give them."""
        return ClassInfo(tuple(self.class_names))

    def mark(self, index: int) -> str:
        """Words that change when what is learned of the sample does: a run that goes on knows its data by them."""
        return self.target(index).mark()  # type: ignore[attr-defined, no-any-return]


class Targets(Sequence[T]):
    """The annotations of some samples, read when they are asked for: thousands of masks do not fit into memory.

    Reading one raises DataError where its file is broken.
    """

    def __init__(self, dataset: Dataset[T], indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __len__(self) -> int:
        return len(self.indices)

    def readable(self) -> Iterator[T]:
        """Those that can be read; what is broken is told where it is needed."""
        for place in range(len(self)):
            with suppress(DataError):
                yield self[place]

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Targets[T]: ...

    def __getitem__(self, place: int | slice) -> T | Targets[T]:
        if isinstance(place, slice):
            return Targets(self.dataset, self.indices[place])
        return self.dataset.target(self.indices[place])

    def arrays(self, place: int) -> Any:
        """One of them in numpy, read without torch where its dataset can. Raises DataError."""
        return self.dataset.target_arrays(self.indices[place])
