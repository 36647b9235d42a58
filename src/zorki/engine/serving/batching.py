"""Dynamic batching: images of many requests are predicted together, and none is hurt by another.

An image is checked by its header before it waits and decoded before its batch: what cannot be read fails alone.
Decoded images of two batches are held at most, one that is predicted and one that comes next.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from zorki.data.loading.parts import MAX_HELD_PIXELS
from zorki.engine.serving.limits import Refusal, busy
from zorki.engine.serving.served_model import Predicted, ServedModel, Upload, predict_each
from zorki.engine.serving.server_metrics import ServerMetrics
from zorki.errors import RecipeError

BATCHES = 2  # in work: one predicted, one decoded


@dataclass(eq=False)
class _Job:
    upload: Upload
    size: tuple[int, int]  # height and width, by the image's header
    done: asyncio.Future[Predicted]


class Batcher:
    """Collects images up to `max_batch` of them, or for `max_wait` seconds from the first on.

    async with Batcher(model, metrics) as batcher:
        (prediction,) = batcher.put([upload], [(height, width)])
        await prediction

    Args:
        max_queue: images that wait or are being predicted, at most.
    """

    def __init__(
        self,
        model: ServedModel,
        metrics: ServerMetrics,
        *,
        max_batch: int = 16,
        max_wait: float = 0.005,
        max_queue: int = 128,
    ) -> None:
        if max_batch < 1:
            raise RecipeError(f"batch_size is {max_batch}; expected at least 1")
        if not max_wait >= 0:
            raise RecipeError(f"max_wait is {max_wait}; expected at least 0 seconds")
        self.model, self.metrics = model, metrics
        self.max_batch, self.max_wait, self.max_queue = max_batch, max_wait, max_queue
        self.length = 0
        self._jobs: deque[_Job] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Batcher:
        self._arrival, self._turn, self._room = asyncio.Event(), asyncio.Lock(), asyncio.Semaphore(BATCHES)
        self._readers = ThreadPoolExecutor(max(1, min(4, os.cpu_count() or 1)), "zorki-decode")
        self._network = ThreadPoolExecutor(1, "zorki-predict")
        self._collector = asyncio.create_task(self._collect())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._collector.cancel()
        await asyncio.gather(self._collector, *self._tasks, return_exceptions=True)
        for job in self._jobs:
            job.done.cancel()
        self._readers.shutdown(wait=True, cancel_futures=True)
        self._network.shutdown(wait=True, cancel_futures=True)

    def put(self, uploads: Sequence[Upload], sizes: Sequence[tuple[int, int]]) -> list[asyncio.Future[Predicted]]:
        """What will be predicted of each. Raises Refusal where the queue has no room for all."""
        if self.length + len(uploads) > self.max_queue:
            raise busy(f"{self.length} images wait already, of {self.max_queue} at most")
        loop = asyncio.get_running_loop()
        jobs = [_Job(upload, size, loop.create_future()) for upload, size in zip(uploads, sizes, strict=True)]
        self.length += len(jobs)
        self._jobs.extend(jobs)
        self._arrival.set()
        return [job.done for job in jobs]

    async def _collect(self) -> None:
        while True:
            await self._room.acquire()
            batch = await self._next()
            task = asyncio.create_task(self._finish(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _next(self) -> list[_Job]:
        """The jobs of the next batch, which are no longer in the queue."""
        while not self._jobs:
            self._arrival.clear()
            await self._arrival.wait()
        loop = asyncio.get_running_loop()
        end = loop.time() + self.max_wait
        while len(self._jobs) < self.max_batch and (left := end - loop.time()) > 0:
            self._arrival.clear()
            try:
                async with asyncio.timeout(left):
                    await self._arrival.wait()
            except TimeoutError:
                break
        batch = [self._jobs.popleft()]
        pixels = math.prod(batch[0].size)
        while self._jobs and len(batch) < self.max_batch:
            pixels += math.prod(self._jobs[0].size)
            if pixels > MAX_HELD_PIXELS:
                break
            batch.append(self._jobs.popleft())
        return batch

    async def _finish(self, batch: list[_Job]) -> None:
        try:
            await self._predict([job for job in batch if not job.done.done()])
        except Exception as error:  # a fault of ours must not leave anybody waiting, nor end the server
            for job in batch:
                _settle(job, Refusal(500, f"the server failed: {type(error).__name__}: {error}"))
        finally:
            self.length -= len(batch)
            self._room.release()

    async def _predict(self, jobs: list[_Job]) -> None:
        """Decodes and predicts; jobs whose requests have ended are left out."""
        loop = asyncio.get_running_loop()
        images: list[Any] = await asyncio.gather(
            *(loop.run_in_executor(self._readers, _decoded, self.model, job.upload) for job in jobs)
        )
        async with self._turn:
            good = []
            for job, image in zip(jobs, images, strict=True):
                if isinstance(image, Refusal):
                    _settle(job, image)
                elif not job.done.done():
                    good.append((job, image))
            if not good:
                return
            self.metrics.batches.add(len(good))
            found = await loop.run_in_executor(self._network, predict_each, self.model, [image for _, image in good])
        for (job, _), prediction in zip(good, found, strict=True):
            _settle(job, prediction if isinstance(prediction, Refusal) else Predicted(prediction, *job.size))


def _decoded(model: ServedModel, upload: Upload) -> np.ndarray | Refusal:
    try:
        return model.decode(upload)
    except Refusal as error:
        return error
    except Exception as error:  # of one image, whatever it is
        return Refusal(422, f"{upload.name}: the image cannot be decoded: {type(error).__name__}")


def _settle(job: _Job, value: Predicted | Refusal) -> None:
    if job.done.done():
        return
    if isinstance(value, Refusal):
        job.done.set_exception(value)
    else:
        job.done.set_result(value)
