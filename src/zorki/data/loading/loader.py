"""Batches in the background: the same ones for any number of workers, and from any batch of an epoch on.

An epoch's order follows from the seed and the epoch alone, and a batch from its number in it, so nothing but the
count of yielded batches has to be kept to go on after a kill.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from zorki.contracts import Sampler
from zorki.data.loading.pipeline import LoaderWork, pack, unpack
from zorki.data.loading.pipeline import Pipeline as Pipeline
from zorki.data.loading.workers import start_worker
from zorki.errors import DataError, RecipeError, ZorkiError
from zorki.types import Batch, Defect

T = TypeVar("T")


class Loader(Generic[T]):
    """The batches of one epoch after another, resumable in the middle of an epoch.

    Iterating gives the batches of the epoch last set by `set_epoch` (0 at first), from the batch last set by
    `load_state_dict` on (0 at first). `state_dict` counts the batches that were yielded, not those made ahead.
    Lightning's Trainer finds `sampler.set_epoch`, `state_dict` and `load_state_dict` and calls them.

    Training (with a `sampler`): each process takes its share of every batch; shares of the last one are filled
    up to equal lengths with samples of the epoch's beginning, and a batch of which no sample can be read is made of
    the next readable batch's samples, since processes that step together must all step.
    Evaluation: no sample is repeated or lost, so processes may differ by one in their number of batches, and a batch
    of which no sample can be read is passed over; its defects come with the next.
    """

    def __init__(
        self,
        pipeline: Pipeline[T],
        indices: Sequence[int],
        *,
        batch_size: int,
        sampler: Sampler | None = None,
        drop_last: bool = False,
        join_single: bool = False,
        workers: int = 0,
        prefetch: int = 2,
        pin_memory: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Batches of the samples at `indices`.

        Args:
            pipeline: makes the batches; its seed also shuffles.
            indices: places in the dataset.
            batch_size: images a batch over all processes together.
            sampler: draws the samples of each epoch for training; None: all in their order, for evaluation.
            drop_last: leaves out the last, incomplete batch of an epoch, unless it is the only one.
            join_single: a last batch that gives each process one sample, over which batch norm has no spread to
                divide by, joins the one before it. For training.
            workers: processes that make batches ahead, kept over epochs; 0 makes them in this process.
            prefetch: batches that each worker makes ahead.
            pin_memory: puts inputs into page-locked memory; without a CUDA device nothing is done.
            rank: the number of this process among all that train together.
            world: how many processes there are.

        Raises:
            RecipeError: a number is out of its range, the sampler is of other samples or for another batch size, or
                a batch for training cannot be shared evenly.
        """
        if not 0 <= rank < world:
            raise RecipeError(f"rank must lie in 0..{world - 1} for {world} processes, but is {rank}")
        if batch_size < world or workers < 0 or prefetch < 1:
            raise RecipeError(
                f"expected a batch_size of at least {world} (one image a process), workers of at least 0 and a "
                f"prefetch of at least 1, but was given {batch_size}, {workers} and {prefetch}"
            )
        if sampler is not None:
            _check_sampler(sampler, len(indices), batch_size, world)
        self.pipeline = pipeline
        self.batch_size = batch_size
        self._indices = torch.as_tensor(indices, dtype=torch.int64)
        self._sampler = sampler
        self._rank, self._world = rank, world
        self._drop_last, self._join_single = drop_last, join_single
        self._workers = workers
        self._prefetch = prefetch
        self._pin_memory = pin_memory and torch.cuda.is_available()
        self._background: DataLoader[Any] | None = None
        self._schedule = _Schedule()
        self._defects: dict[Defect, None] = {}
        self._epoch = 0
        self._yielded = 0  # of the current epoch, the part before a resume included
        self._start = 0  # where the next iteration begins

    def __len__(self) -> int:
        """Batches of a whole epoch in this process, those before a resume included."""
        whole, rest = divmod(len(self._indices if self._sampler is None else self._sampler), self.batch_size)
        if whole and (self._drop_last or self._joins(rest)):
            return whole
        return whole + (rest > (self._rank if self._sampler is None else 0))

    def _joins(self, rest: int) -> bool:
        """Whether the last, incomplete batch is part of the one before it."""
        return self._join_single and not self._drop_last and 0 < rest <= self._world < self.batch_size

    @property
    def defects(self) -> list[Defect]:
        """What was left out of all batches so far, each once."""
        return list(self._defects)

    @property
    def sampler(self) -> Loader[T]:
        """The loader itself: Lightning sets the epoch of a loader's `sampler`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch that the next iteration runs through; another epoch starts at its first batch."""
        if epoch != self._epoch:
            self._epoch, self._start, self._yielded = epoch, 0, 0

    def state_dict(self) -> dict[str, Any]:
        """Plain values that say which batch comes next, and what was left out so far."""
        defects = [[str(defect.path), defect.reason, defect.line] for defect in self._defects]
        return {"epoch": self._epoch, "yielded": self._yielded, "batches": len(self), "defects": defects}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where another loader of the same samples stood.

        Raises:
            RecipeError: the state was taken in the middle of an epoch of another number of batches.
        """
        if 0 < state["yielded"] < state["batches"] != len(self):
            raise RecipeError(
                f"the run stopped after batch {state['yielded']} of {state['batches']}, but an epoch has {len(self)} "
                "batches now; resume with the same data, batch size and number of processes"
            )
        self._epoch, self._yielded = state["epoch"], state["yielded"]
        self._start = self._yielded
        for path, reason, line in state["defects"]:
            self._defects[Defect(Path(path), reason, line)] = None

    def __iter__(self) -> Iterator[Batch[T]]:
        """The rest of the epoch's batches."""
        epoch, start = self._epoch, self._start
        self._start, self._yielded = 0, start
        schedule = list(range(start, len(self)))
        order = self._order(epoch)
        if not schedule:
            return
        carried: list[Defect] = []
        made = self._make(self._work(epoch, number, order) for number in schedule)
        for number, batch in zip(schedule, made, strict=True):
            carried += batch.defects
            self._defects.update(dict.fromkeys(batch.defects))
            if not len(batch) and self._sampler is not None:
                batch = self._substitute(epoch, number, order, carried)
            self._yielded = number + 1
            if len(batch):
                yield dataclasses.replace(batch, defects=carried)
                carried = []

    def close(self) -> None:
        """Ends the workers; the next iteration starts new ones."""
        self._background = None

    def _order(self, epoch: int) -> Tensor:
        if self._sampler is None:
            return self._indices
        return self._indices[self._sampler.order(self.pipeline.seed, epoch)]

    def _work(self, epoch: int, number: int, order: Tensor) -> LoaderWork:
        last = number == len(order) // self.batch_size - 1 and self._joins(len(order) % self.batch_size)
        end = len(order) if last else min((number + 1) * self.batch_size, len(order))
        places = list(range(number * self.batch_size, end))
        group = 1
        if self._sampler is not None:
            group = self._sampler.group
            # Wraps around to the epoch's first samples, more than once where there are fewer than processes.
            places += [place % len(order) for place in range(-len(places) % self._world)]
        places = [place for k, place in enumerate(places) if k // group % self._world == self._rank]
        return LoaderWork(epoch, number, places, order[places].tolist())

    def _substitute(self, epoch: int, number: int, order: Tensor, defects: list[Defect]) -> Batch[T]:
        for following in range(number + 1, number + len(self)):
            work = self._work(epoch, following % len(self), order)
            batch = _in_one_thread(self.pipeline, work._replace(number=number))
            if len(batch):
                return batch
        raise DataError(f"none of the {len(order)} images could be read; the first: {defects[0]}")

    def _make(self, works: Iterator[LoaderWork]) -> Iterator[Batch[T]]:
        if self._workers == 0:
            for work in works:
                yield _in_one_thread(self.pipeline, work)
            return
        self._schedule.works = works
        if self._background is None:
            self._background = DataLoader(
                _Maker(self.pipeline),
                sampler=self._schedule,
                batch_size=None,
                collate_fn=_same,
                num_workers=self._workers,
                prefetch_factor=self._prefetch,
                pin_memory=self._pin_memory,
                persistent_workers=True,
                worker_init_fn=start_worker,
                # Forked workers start in milliseconds; elsewhere the platform's own way is the safe one.
                multiprocessing_context="fork" if sys.platform == "linux" else None,
                # Its own, so that a number of iterations leaves the global generator, and dropout, as they were.
                generator=torch.Generator(),
            )
        batches = iter(self._background)
        while True:
            try:
                packed = next(batches)
            except StopIteration:
                return
            except RuntimeError as error:
                if not str(error).startswith("DataLoader worker"):
                    raise
                self._background = None
                raise ZorkiError(
                    f"a worker process that loads images has ended: {str(error).splitlines()[0]} Where memory ran out, "
                    "take fewer --workers or a smaller --batch-size; a run goes on with zorki train --resume"
                ) from None
            if isinstance(packed, ZorkiError):
                raise packed
            yield unpack(packed)


class _Schedule:
    """What the DataLoader asks for the next work; kept over epochs, as the workers are."""

    works: Iterator[LoaderWork] = iter(())

    def __iter__(self) -> Iterator[LoaderWork]:
        return self.works


class _Maker(TorchDataset[Any]):
    """Runs in a worker: takes work where a dataset takes an index, and returns a packed batch."""

    def __init__(self, pipeline: Pipeline[Any]) -> None:
        self.pipeline = pipeline

    def __getitem__(self, work: LoaderWork) -> tuple[list[Tensor], bytes] | ZorkiError:
        try:
            return pack(self.pipeline(work))
        except ZorkiError as error:
            # As a value: a raised one would come out wrapped in the worker's traceback.
            return error


def _same(value: Any) -> Any:
    return value


def _in_one_thread(pipeline: Pipeline[T], work: LoaderWork) -> Batch[T]:
    # As in a worker: how a sum is split over threads could show in its last bit.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return pipeline(work)
    finally:
        torch.set_num_threads(threads)


def share_of(indices: Sequence[int], rank: int, world: int) -> list[int]:
    """What one of several processes evaluates: neighbors, so that parts merged by rank are in the order of the whole.

    Metrics depend on it: of equal scores the first comes first. No index is in two shares, and none is left out.

    >>> [share_of([5, 6, 7, 8, 9], rank, 3) for rank in range(3)]
    [[5], [6, 7], [8, 9]]
    """
    return [*indices[len(indices) * rank // world : len(indices) * (rank + 1) // world]]


def _check_sampler(sampler: Sampler, count: int, batch_size: int, world: int) -> None:
    if sampler.count != count:
        raise RecipeError(f"expected a sampler of {count} samples, but was given one of {sampler.count}")
    if sampler.batch_size not in (None, batch_size):
        raise RecipeError(f"batch_size is {batch_size}, but the task draws batches of {sampler.batch_size}: set it so")
    share = sampler.group * world
    if batch_size % share:
        parts = f"groups of {sampler.group} images" if sampler.group > 1 else "images"
        raise RecipeError(
            f"a batch of {batch_size} {parts} cannot be shared evenly by {world} processes; "
            f"take {batch_size // share * share or share} or {(batch_size // share + 1) * share}"
        )
