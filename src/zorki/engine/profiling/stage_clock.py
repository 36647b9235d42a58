"""Seconds of the stages of a training step, and a pipeline of data whose stages are timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from zorki.data.loading.pipeline import LoaderWork, Pipeline
from zorki.types import Batch, Sample

DATA = ("read", "decode", "augment", "collate")
NETWORK = ("copy", "forward", "backward", "optimizer")


@dataclass
class StageClock:
    """Sums of seconds by stage.

    Args:
        wait: called at both ends of what is timed: waits until the device has done what it was given.
    """

    wait: Callable[[], None] = lambda: None
    now: Callable[[], float] = time.perf_counter
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys((*DATA, *NETWORK), 0.0))

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds what happens within to a stage."""
        self.wait()
        began = self.now()
        yield
        self.wait()
        self.seconds[stage] += self.now() - began

    def clear(self) -> None:
        """Begins anew."""
        self.seconds.update(dict.fromkeys(self.seconds, 0.0))


@dataclass(frozen=True)
class TimedPipeline(Pipeline[Any]):
    """The same batches, with the time of each stage: the file's bytes, the rest of reading, augmentation, the rest."""

    clock: StageClock = field(default_factory=StageClock)

    @classmethod
    def of(cls, pipeline: Pipeline[Any], clock: StageClock) -> TimedPipeline:
        """A pipeline with a clock."""
        augment = pipeline.augment
        if augment is not None:
            inner = augment

            def timed(sample: Sample[Any], *, generator: Any) -> Sample[Any]:
                with clock.timed("augment"):
                    return inner(sample, generator=generator)

            augment = timed
        return cls(
            pipeline.dataset, pipeline.preprocess, augment, pipeline.mix, pipeline.seed, pipeline.strict,
            pipeline.train, pipeline.smallest_crop, clock,
        )  # fmt: skip

    def __call__(self, work: LoaderWork) -> Batch[Any]:
        parts = ("read", "decode", "augment")
        before = sum(self.clock.seconds[part] for part in parts)
        began = self.clock.now()
        batch = super().__call__(work)
        inside = sum(self.clock.seconds[part] for part in parts) - before
        self.clock.seconds["collate"] += max(0.0, self.clock.now() - began - inside)
        return batch

    def read(self, index: int) -> Sample[Any]:
        path = self.dataset.path(index)
        if path.is_file():
            with self.clock.timed("read"), path.open("rb") as file:
                while file.read(1 << 20):
                    pass
        with self.clock.timed("decode"):
            return super().read(index)
