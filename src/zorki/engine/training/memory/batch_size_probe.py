"""`--batch-size auto`: the largest batch that the device's memory holds, by trying steps on a copy."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Sequence
from typing import Any

import torch

from zorki.contracts import Dataset, Model, Targets
from zorki.devices import kind_of
from zorki.engine.device import autocast, laid_out, on_device
from zorki.engine.training import optimizer as optimize
from zorki.errors import DataError
from zorki.recipe import Recipe
from zorki.types import Rows, map_tensors

HEADROOM = 0.15  # of the memory, for what other batches and the allocator need beyond
MOST = 1024  # images a step that are tried
LOOKED_AT = 5000  # annotations among which the largest are looked for
HARDEST = 16  # images of the most objects, of which the batches are made

AUTO = 0
"""The batch size of a recipe that has it probed."""


def largest_batch(fits: Callable[[int], bool], most: int) -> int | None:
    """The largest batch size that fits, of powers of two and what lies halfway between; None: not even one image."""
    if not fits(1):
        return None
    size = 1
    while size < most and fits(min(2 * size, most)):
        size = min(2 * size, most)
    between = size + size // 2
    return between if size < between < min(2 * size, most) and fits(between) else size


def hardest_images(dataset: Dataset[Any], indices: Sequence[int], count: int = HARDEST) -> list[int]:
    """The training samples with the most objects, which take the most memory; the first where nobody counts them."""
    targets = Targets(dataset, list(indices)[:LOOKED_AT])
    sizes: list[tuple[int, int]] = []
    for place in range(len(targets)):
        try:
            target = targets[place]
        except DataError:
            continue
        if not isinstance(target, Rows):
            break
        sizes.append((-len(target), indices[place]))
    return [index for _, index in sorted(sizes)[:count]] or list(indices)[:count]


class BatchSizeProbe:
    """Training steps of a copy, in batches of the hardest images.

    Args:
        model: configured as it will be trained.
        recipe: complete but for the batch size.
    """

    def __init__(
        self, model: Model[Any, Any, Any], recipe: Recipe, dataset: Dataset[Any], indices: Sequence[int]
    ) -> None:
        self.model, self.recipe, self.device = model, recipe, recipe.main_device
        samples = []
        for index in hardest_images(dataset, indices):
            try:
                samples.append(dataset[index])
            except DataError:
                continue
        if not samples:
            raise DataError(f"{dataset.root}: none of the images to probe the batch size with can be read")
        self.samples = samples

    def fits(self, size: int) -> bool:
        """Whether a step of so many images leaves the headroom."""
        try:
            self._step(size)
        except torch.OutOfMemoryError:
            return False
        finally:
            gc.collect()
            if kind_of(self.device) == "cuda":
                torch.cuda.empty_cache()
        return self._used() <= 1 - HEADROOM

    def _step(self, size: int) -> None:
        if kind_of(self.device) == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        network: Any = on_device(copy.deepcopy(self.model), self.device, self.recipe.memory_format).train()
        optimize.keep_frozen(optimize.freeze(network, self.recipe.freeze))
        chosen = [self.samples[place % len(self.samples)] for place in range(size)]
        inputs, placements = network.preprocess([sample.image for sample in chosen])
        placed = [sample.target.place(place) for sample, place in zip(chosen, placements, strict=True)]
        moved = laid_out(map_tensors(inputs, lambda tensor: tensor.to(self.device)), network)
        stepper = optimize.optimizer(network, self.recipe)
        for _ in range(2):  # the optimizer's own values come with the first
            with autocast(self.device, self.recipe.precision or "32"):
                losses = network.loss(network(moved), placed)
                total = torch.stack(list(losses.values())).sum()
            total.backward()
            stepper.step()
            stepper.zero_grad()

    def _used(self) -> float:
        """The largest share of the device's memory that the last step has taken, 0..1."""
        if kind_of(self.device) != "cuda":
            return 0.0
        whole = torch.cuda.get_device_properties(self.device).total_memory
        free, _ = torch.cuda.mem_get_info(self.device)
        others = whole - free - torch.cuda.memory_reserved(self.device)
        return (torch.cuda.max_memory_reserved(self.device) + max(0, others)) / whole
