"""From places in a dataset to one batch: the same to the bit wherever and whenever it is made.

Every chance is drawn from a hash of what it is for (seed, epoch, place in the order), never from a generator that
runs along.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import math
import pickle
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from zorki.contracts import Dataset, Preprocess
from zorki.contracts.capabilities import LooksAtRegions, ReadsReduced, TakesReducedImages
from zorki.data.loading.parts import Parts
from zorki.data.loading.unreadable import defect_of
from zorki.errors import DataError
from zorki.types import Batch, Sample

T = TypeVar("T")


class LoaderWork(NamedTuple):
    """One batch to be made: which epoch's, which of the epoch, and of which samples.

    `places` are places in the epoch's order, `indices` places in the dataset.
    """

    epoch: int
    number: int
    places: list[int]
    indices: list[int]


@runtime_checkable
class Augmentation(Protocol):
    """Varies one sample."""

    def __call__(self, sample: Sample[Any], *, generator: torch.Generator) -> Sample[Any]: ...


@runtime_checkable
class Mixing(Protocol):
    """Mixes the samples of one batch among themselves."""

    def __call__(self, batch: Batch[Any], *, generator: torch.Generator) -> Batch[Any]: ...


@dataclass(frozen=True)
class Pipeline(Generic[T]):
    """How a batch is made of its samples: read, augment, preprocess, mix. Travels to the workers once.

    Samples that cannot be read are left out and become defects of the batch; with `strict` they raise DataError.
    `augment` draws from a generator that depends on the seed, the epoch, the sample and its place in the epoch's
    order (a sample drawn twice by weight is varied twice), and so does `preprocess` where `train` is set; `mix` draws
    from one that depends on the batch.

    Args:
        smallest_crop: share of an image's area that `augment` may cut out and enlarge: images that are decoded at a
            part of their size keep as many pixels for it.
    """

    dataset: Dataset[T]
    preprocess: Preprocess
    augment: Augmentation | None = None
    mix: Mixing | None = None
    seed: int = 0
    strict: bool = False
    train: bool = False
    smallest_crop: float = 1.0

    def __call__(self, work: LoaderWork) -> Batch[T]:
        """The batch; of length 0 where none of its samples could be read. Raises DataError where `strict`."""
        generator = torch.Generator()
        targets: list[T] = []
        indices: list[int] = []
        places: list[int] = []
        defects = []
        looks_at_regions = isinstance(self.preprocess, LooksAtRegions)
        parts = Parts(self.preprocess, _Generators(self.seed, work.epoch, places, indices) if self.train else None)
        for place, index in zip(work.places, work.indices, strict=True):
            try:
                sample = self.read(index)
            except DataError as error:
                defects.append(defect_of(self.dataset, index, error, strict=self.strict))
                continue
            if self.augment is not None:
                chance = seeded(generator, "augment", self.seed, work.epoch, place, index)
                sample = self.augment(sample, generator=chance)
            targets.append(sample.target)
            indices.append(index)
            places.append(place)
            parts.add(sample.image, sample.target.regions() if looks_at_regions else None)  # type: ignore[attr-defined]
        inputs, placements = parts.finish()
        # Annotations without coordinates place themselves by returning themselves: one object, sent once.
        placed = [target.place(placement) for target, placement in zip(targets, placements, strict=True)]  # type: ignore[attr-defined]
        batch = Batch(inputs, targets, placed, placements, indices, defects)
        if self.mix is None or not targets:
            return batch
        chance = seeded(generator, "mix", self.seed, work.epoch, work.number, work.places[0])
        return self.mix(batch, generator=chance)

    def read(self, index: int) -> Sample[T]:
        """One sample, decoded at a part of its size where the preprocessing takes that. Raises DataError."""
        side = self.preprocess.decoded_side if isinstance(self.preprocess, TakesReducedImages) else None
        if side is None or not isinstance(self.dataset, ReadsReduced):
            return self.dataset[index]
        return self.dataset.read_reduced(index, math.ceil(side / math.sqrt(self.smallest_crop)))


@dataclass(frozen=True)
class _Generators(Sequence[torch.Generator]):
    """One for each sample of a batch, made when it is asked for: most kinds of preprocessing draw nothing."""

    seed: int
    epoch: int
    places: Sequence[int]
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, row: Any) -> Any:
        return seeded(torch.Generator(), "preprocess", self.seed, self.epoch, self.places[row], self.indices[row])


LARGE = 1 << 16  # bytes: smaller tensors are cheaper to copy than to share


def pack(batch: Batch[T]) -> tuple[list[Tensor], bytes]:
    """A batch for the way between processes: its large tensors, and all else as bytes."""
    # Images cross between processes as shared memory. Annotations cross as bytes: torch would open a file of shared
    # memory for each little tensor, a thousand a second.
    buffer = io.BytesIO()
    pickler = _Packer(buffer)
    pickler.dump([getattr(batch, f.name) for f in dataclasses.fields(batch)])
    return pickler.large, buffer.getvalue()


def unpack(packed: tuple[list[Tensor], bytes]) -> Batch[Any]:
    """The inverse of `pack`."""
    return Batch(*_Unpacker(*packed).load())


class _Packer(pickle.Pickler):
    dispatch_table = {Tensor: lambda tensor: (torch.from_numpy, (tensor.numpy(),))}

    def __init__(self, buffer: io.BytesIO) -> None:
        super().__init__(buffer, protocol=5)
        self.large: list[Tensor] = []

    def persistent_id(self, value: Any) -> int | None:
        if not isinstance(value, Tensor) or value.nbytes < LARGE:
            return None
        self.large.append(value)
        return len(self.large) - 1


class _Unpacker(pickle.Unpickler):
    def __init__(self, large: list[Tensor], rest: bytes) -> None:
        super().__init__(io.BytesIO(rest))
        self.large = large

    def persistent_load(self, place: int) -> Tensor:
        return self.large[place]


def seeded(generator: torch.Generator, purpose: str, *numbers: int) -> torch.Generator:
    """`generator`, started afresh from a hash of a purpose and numbers."""
    # A hash, because neighboring seeds give some generators alike beginnings.
    name = purpose.encode() + struct.pack(f"<{len(numbers)}q", *numbers)
    return generator.manual_seed(int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little"))
