"""In which order the samples of an epoch come: a function of seed and epoch alone.

So nothing but the count of yielded batches has to be kept to go on after a kill, and every process knows the whole
order and takes its share of it. They are `contracts.Sampler`s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from zorki.data.loading.pipeline import seeded
from zorki.errors import DataError, RecipeError


class ShuffledSampler:
    """Every sample once, in a new order every epoch."""

    batch_size: int | None = None
    group = 1

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def order(self, seed: int, epoch: int) -> Int64[Tensor, " N"]:
        return torch.randperm(self.count, generator=_generator(seed, epoch))


class RepeatedSampler:
    """Every sample `times` times, in a new order every epoch: a video gives other frames each time.

    Raises:
        RecipeError: `times` is below 1.
    """

    batch_size: int | None = None
    group = 1

    def __init__(self, count: int, times: int) -> None:
        if times < 1:
            raise RecipeError(f"samples are drawn {times} times an epoch; expected at least once")
        self.count, self.times = count, times

    def __len__(self) -> int:
        return self.count * self.times

    def order(self, seed: int, epoch: int) -> Int64[Tensor, " N"]:
        return torch.randperm(len(self), generator=_generator(seed, epoch)) % max(1, self.count)


class WeightedSampler:
    """As many samples as there are, drawn with replacement, each as likely as its weight.

    Class-balanced with the weights of `TaskData.sampling_weights`: images of rare classes come as often as those of
    common ones.

    Raises:
        RecipeError: a weight is negative or no finite number, or none is above 0.
    """

    batch_size: int | None = None
    group = 1

    def __init__(self, weights: Sequence[float]) -> None:
        values = torch.as_tensor(weights, dtype=torch.float64)
        self.count = len(values)
        sound = math.isfinite(float(values.sum())) and bool((values >= 0).all()) and bool((values > 0).any())
        if self.count and not sound:
            raise RecipeError("sampling weights must be finite and not negative, and at least one above 0")
        self._cumulated = values.cumsum(0)

    def __len__(self) -> int:
        return self.count

    def order(self, seed: int, epoch: int) -> Int64[Tensor, " N"]:
        drawn = torch.rand(self.count, generator=_generator(seed, epoch), dtype=torch.float64)
        drawn *= self._cumulated[-1:]
        return torch.searchsorted(self._cumulated, drawn, right=True).clamp(max=self.count - 1)


class ClassSampler:
    """P x K: batches of P classes with K samples each (Hermans et al., 2017, section 2), for losses that compare.

    Classes come in a random order, each once before any comes again, and so do the samples of a class; a class of
    fewer than K samples gives some of them twice. Where P does not divide the number of classes, other ones sit out
    each round. An epoch has as many batches as the samples fill.

    Args:
        labels: the class of each sample.
        classes: P.
        samples: K; they stand in a row, and stay in one process.

    Raises:
        RecipeError: P or K is below 1.
        DataError: there are fewer than P classes.
    """

    def __init__(self, labels: Sequence[int], *, classes: int, samples: int) -> None:
        if classes < 1 or samples < 1:
            raise RecipeError(f"batches of P x K samples: P is {classes} and K {samples}; expected at least 1 of each")
        places = torch.as_tensor(labels, dtype=torch.int64)
        self.count = len(places)
        _, counts = places.unique(return_counts=True)
        self._members = places.argsort(stable=True).split(counts.tolist())
        if len(self._members) < classes:
            raise DataError(
                f"a batch shows {classes} classes, but the training samples are of {len(self._members)} alone"
            )
        self.classes, self.group = classes, samples
        self.batch_size: int | None = classes * samples
        self._batches = max(1, self.count // (classes * samples))

    def __len__(self) -> int:
        return self._batches * self.classes * self.group

    def order(self, seed: int, epoch: int) -> Int64[Tensor, " N"]:
        generator = _generator(seed, epoch)
        count = self._batches * self.classes
        whole = len(self._members) // self.classes * self.classes  # of a round: no batch shows a class twice
        rounds = [torch.randperm(len(self._members), generator=generator)[:whole] for _ in range(-(-count // whole))]
        chosen = torch.cat(rounds)[:count]
        rows = chosen.argsort(stable=True).split(torch.bincount(chosen, minlength=len(self._members)).tolist())
        order = torch.empty((count, self.group), dtype=torch.int64)
        for members, mine in zip(self._members, rows, strict=True):
            order[mine] = _groups(members, len(mine), self.group, generator)
        return order.flatten()


def _groups(members: Tensor, count: int, size: int, generator: torch.Generator) -> Tensor:
    """(count, size): all members in a random order, then all in another, no group with one twice while others are left.

    What a round leaves over begins the next group, and comes last in the round that this group begins.
    """
    rows = torch.empty((count, size), dtype=torch.int64)
    line = members[:0]
    for row in rows:
        if len(members) < size:
            line = members[:0]  # every group has all of them
        while len(line) < size:
            fresh = members[torch.randperm(len(members), generator=generator)]
            again = torch.isin(fresh, line)
            line = torch.cat([line, fresh[~again], fresh[again]])
        row[:], line = line[:size], line[size:]
    return rows


def _generator(seed: int, epoch: int) -> torch.Generator:
    return seeded(torch.Generator(), "order", seed, epoch)
