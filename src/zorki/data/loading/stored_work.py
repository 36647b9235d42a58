"""What is expensive is worked out once, before training, by several processes, and kept in files."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from zorki.data.loading.workers import start_worker
from zorki.errors import DataError, ZorkiError
from zorki.files import whole
from zorki.input_files.content import open_file

_SECONDS_BETWEEN_LINES = 10.0


@runtime_checkable
class StoredWork(Protocol):
    """What is worked out for an image or film, and found again by its content.

    `words` are what it is called, what was done, and to what: ("proposals", "searched", "images").
    """

    @property
    def words(self) -> tuple[str, str, str]: ...

    @property
    def folder(self) -> Path:
        """Where results are kept."""

    def is_cached(self, image: Any, /) -> bool:
        """Whether the result is there already."""

    def __call__(self, image: Any, /) -> Any:
        """The result, worked out and kept where it is not there. Raises ZorkiError."""


def cache_folder(name: str) -> Path:
    """A folder of results: in $ZORKI_CACHE, else in the user's cache."""
    chosen = os.environ.get("ZORKI_CACHE")
    if chosen:
        return Path(chosen).expanduser() / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zorki" / name


def precompute_all(
    work: StoredWork,
    images: Callable[[int], Any],
    count: int,
    *,
    workers: int,
    say: Callable[[str], None],
) -> int:
    """Does the work for the images 0..count-1 of which it is not stored yet, and returns how many those were.

    Images that cannot be read (DataError) are passed over: whoever reads them next will say so.

    Args:
        work: what to do with each.
        images: makes an image of its number; called in the workers, which it travels to.
        count: how many images there are.
        workers: processes of one thread each; 0 works in this one.
        say: hears how far it is, every ten seconds as long as there is something to do.

    Raises:
        ZorkiError: as the work, or a result could not be kept.
    """
    progress = _Progress(work, count, say)
    doer = _Doer(work, images, count)
    if workers < 1 or count < 2:
        for index in range(count):
            progress.add(doer[index])
        return progress.finish()
    loader: DataLoader[Any] = DataLoader(
        doer,
        batch_size=None,
        collate_fn=_same,
        num_workers=min(workers, count),
        prefetch_factor=4,
        worker_init_fn=start_worker,
        # Forked workers start in milliseconds; elsewhere the platform's own way is the safe one.
        multiprocessing_context="fork" if sys.platform == "linux" else None,
        generator=torch.Generator(),  # its own, so that the global one is left as it was
    )
    for answer in loader:
        if isinstance(answer, ZorkiError):
            raise answer
        progress.add(answer)
    return progress.finish()


class _Doer(TorchDataset[Any]):
    """Works on an image where a dataset would read one; whether it had to."""

    def __init__(self, work: StoredWork, images: Callable[[int], Any], count: int) -> None:
        self.work, self.images, self.count = work, images, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> bool | ZorkiError:
        try:
            image = self.images(index)
        except DataError:
            return False
        try:
            if self.work.is_cached(image):
                return False
            self.work(image)
        except ZorkiError as error:
            # As a value: a raised one would come out of a worker wrapped in its traceback.
            return error
        return True


class _Progress:
    """Says how far the work is, and how long it will last."""

    def __init__(self, work: StoredWork, count: int, say: Callable[[str], None]) -> None:
        self.work, self.count, self.say = work, count, say
        self.done = self.new = 0
        self.started = self.printed = time.monotonic()

    def add(self, answer: bool | ZorkiError) -> None:
        if isinstance(answer, ZorkiError):
            raise answer
        self.done += 1
        self.new += answer
        now = time.monotonic()
        if self.new and now - self.printed > _SECONDS_BETWEEN_LINES:
            self.printed = now
            left = (now - self.started) / self.done * (self.count - self.done)
            noun, _, unit = self.work.words
            self.say(f"{noun}: {self.done} of {self.count} {unit}, {left:.0f} s left")

    def finish(self) -> int:
        if self.new:
            seconds = time.monotonic() - self.started
            noun, done, unit = self.work.words
            self.say(f"{noun}: {done} {self.new} of {self.count} {unit} in {seconds:.0f} s, kept in {self.work.folder}")
        return self.new


def _same(value: Any) -> Any:
    return value


def read_array(path: Path) -> Any | None:
    """The array in a file; None where there is none, or a power cut left half of one."""
    try:
        with open_file(path) as file:
            return np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError):  # what a header says may be anything
        return None


def keep_array(path: Path, array: Any) -> None:
    """Written whole, under a name of its own first: another process may be writing the same. Raises ZorkiError."""
    aside = path.with_name(f"{path.stem}.{os.getpid()}-{threading.get_ident()}")
    with whole(aside, flush=False) as part, part.open("wb") as file:
        np.save(file, array)
    os.replace(aside, path)
