"""How a score hangs on which images were evaluated: the bootstrap over images, the same draws for every run.

Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", chapter 6. Images are drawn in blocks, each a random
part of them, so that a replicate costs as many merges of metrics as there are blocks, whatever the metric is.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zorki.contracts import Dataset, Metric
from zorki.contracts.capabilities import ComparesImages, TakesReference
from zorki.engine.run.data_files import file_digest

BLOCKS = 100  # at most; of fewer images each is a block
REPLICATES = 300
FEWEST = 40  # replicates; where there is no time for so many there are none
SECONDS = 60.0
FEWEST_IMAGES = 10


class ImageBlocks:
    """The metric of each block of images, put together to scores of images drawn with replacement.

    Which image is in which block, and which blocks are drawn, hangs on the number of images alone: replicate b of one
    run and replicate b of another are of the same images, so their difference is a paired one.
    """

    def __init__(self, metric: Callable[[], Metric[Any, Any]], indices: Sequence[int]) -> None:
        self.metric, self.count = metric, min(BLOCKS, len(indices))
        order = np.random.default_rng(0).permutation(len(indices)).tolist()
        self._block_of = {index: place % self.count for index, place in zip(indices, order, strict=True)}
        self._parts = [metric() for _ in range(self.count)]
        self._images = len(indices)

    def add(self, indices: Sequence[int], predictions: Sequence[Any], targets: Sequence[Any]) -> None:
        """Takes in the predictions for some images."""
        for index, prediction, target in zip(indices, predictions, targets, strict=True):
            self._parts[self._block_of[index]].update([prediction], [target])

    def replicates(
        self, names: Sequence[str], *, count: int = REPLICATES, seconds: float = SECONDS
    ) -> tuple[dict[str, list[float | None]], str]:
        """Scores by name, one a replicate, None where one has no value; or why there are none."""
        if reason := self._why_not():
            return {}, reason
        rng = np.random.default_rng(0)
        found: dict[str, list[float | None]] = {name: [] for name in names}
        began = time.monotonic()
        for number in range(count):
            if number < FEWEST and time.monotonic() - began > seconds * max(0.1, number / FEWEST):
                return {}, f"the metric takes too long to be worked out {FEWEST} times in {seconds:.0f} s"
            if number >= FEWEST and time.monotonic() - began > seconds:
                break
            drawn = rng.multinomial(self.count, np.full(self.count, 1 / self.count))
            scores = self._scores(drawn.tolist())
            for name, values in found.items():
                values.append(scores.get(name))
        return found, ""

    def _why_not(self) -> str:
        if isinstance(self._parts[0] if self._parts else None, ComparesImages | TakesReference):
            return "the metric holds each image against others"
        return f"{self._images} images are too few to draw from" if self._images < FEWEST_IMAGES else ""

    def _scores(self, drawn: Sequence[int]) -> dict[str, float]:
        metric = self.metric()
        for part, times in zip(self._parts, drawn, strict=True):
            for _ in range(times):
                metric.merge(part)
        return metric.compute().scalars()


def image_digest(dataset: Dataset[Any], indices: Sequence[int]) -> str:
    """A digest of the content of these images, in their order, and of their annotations.

    Of the bytes of files, where each image has its own; else of pixels.
    """
    digest = hashlib.sha256()
    paths = [dataset.path(index) for index in indices]
    shared = Counter(paths)
    for index, path in zip(indices, paths, strict=True):
        own = shared[path] == 1 and path.is_file()
        content = file_digest(path) if own else hashlib.sha256(dataset.arrays(index).image.tobytes()).hexdigest()
        digest.update(f"{content}\t{dataset.mark(index)}\n".encode())
    return digest.hexdigest()
