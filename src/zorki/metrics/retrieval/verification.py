"""Whether two images show the same thing: ROC, accuracy, true accept rate at a false accept rate, the DET curve."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

MAX_PAIRS = 4_000_000  # of one kind; of more, a seeded sample is compared


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it does.

    Attributes:
        false_accept_rate: share of different pairs that score at least the threshold, as measured: at most what was
            asked for.
        true_accept_rate: share of same pairs that do.
        threshold: accepted are pairs with a similarity of at least this; infinite where nothing may be accepted.
    """

    false_accept_rate: float
    true_accept_rate: float
    threshold: float


@dataclass(frozen=True)
class ErrorTradeoff:
    """How false accepts and false rejects change with the threshold: the numbers behind ROC and DET curves.

    A row a distinct similarity, falling; the first row accepts nothing.

    Attributes:
        thresholds: pairs at least as similar are accepted.
        false_accept_rate, false_reject_rate: shares of the different and of the same pairs, 0..1.
        same_pairs, different_pairs: how many were compared.
    """

    thresholds: Float64[Tensor, " T"]
    false_accept_rate: Float64[Tensor, " T"]
    false_reject_rate: Float64[Tensor, " T"]
    same_pairs: int
    different_pairs: int

    def auc(self) -> float:
        """Area under the ROC curve: the chance that a same pair scores above a different one, ties counting half."""
        return float(torch.trapezoid(1 - self.false_reject_rate, self.false_accept_rate))

    def equal_error_rate(self) -> float:
        """Where the false accept rate crosses the false reject rate, on the straight line between two thresholds."""
        difference = self.false_reject_rate - self.false_accept_rate
        after = int((difference <= 0).int().argmax())
        if after == 0:
            return float(self.false_reject_rate[0])
        before = after - 1
        share = difference[before] / (difference[before] - difference[after])
        rates = self.false_accept_rate
        return float(rates[before] + share * (rates[after] - rates[before]))

    def best_accuracy(self) -> tuple[float, float]:
        """(accuracy, threshold) at the threshold that is right most often, each pair counting one.

        On the pairs that it is chosen on this is an upper bound: choose on one split, and report another.
        """
        right = (1 - self.false_reject_rate) * self.same_pairs + (1 - self.false_accept_rate) * self.different_pairs
        best = int(right.argmax())
        return float(right[best] / (self.same_pairs + self.different_pairs)), float(self.thresholds[best])

    def at_false_accept_rate(self, rate: float) -> OperatingPoint:
        """The lowest threshold whose false accept rate is at most `rate` (TAR at FAR of NIST's FRVT)."""
        last = int((self.false_accept_rate <= rate).nonzero().max())
        return OperatingPoint(
            float(self.false_accept_rate[last]), 1 - float(self.false_reject_rate[last]), float(self.thresholds[last])
        )


def accuracy_at(similarity: Float[Tensor, " N"], same: Bool[Tensor, " N"], threshold: float) -> float | None:
    """Share of pairs that a threshold, chosen elsewhere, decides rightly; None without pairs."""
    return float(((similarity >= threshold) == same).double().mean()) if len(same) else None


def error_tradeoff(similarity: Float[Tensor, " N"], same: Bool[Tensor, " N"]) -> ErrorTradeoff | None:
    """The trade-off of pairs; None where all are same, or all different."""
    total, positives = len(same), int(same.sum())
    if positives in (0, total):
        return None
    values, order = similarity.double().sort(descending=True)
    accepted = same[order].cumsum(0)
    last = torch.cat([values[1:] != values[:-1], torch.ones(1, dtype=torch.bool)])  # of each distinct value
    true_accepts = accepted[last]
    false_accepts = last.nonzero()[:, 0] + 1 - true_accepts
    start = torch.zeros(1, dtype=torch.float64)
    return ErrorTradeoff(
        thresholds=torch.cat([start + torch.inf, values[last]]),
        false_accept_rate=torch.cat([start, false_accepts.double() / (total - positives)]),
        false_reject_rate=1 - torch.cat([start, true_accepts.double() / positives]),
        same_pairs=positives,
        different_pairs=total - positives,
    )


def all_pairs(
    vectors: Float[Tensor, "N D"], labels: Int64[Tensor, " N"], *, seed: int = 0
) -> tuple[Float[Tensor, " M"], Bool[Tensor, " M"]]:
    """(similarity, same): the inner product of every two rows, and whether their labels are equal.

    Of more than `MAX_PAIRS` pairs of a kind a sample drawn with `seed` stands for all, so memory has an end.
    """
    chosen = [_sampled(pairs, seed) for pairs in (_same_pairs(labels, seed), _different_pairs(labels, seed))]
    similarity = [_inner_products(vectors, pairs) for pairs in chosen]
    same = torch.cat([torch.full((len(pairs),), kind) for pairs, kind in zip(chosen, (True, False), strict=True)])
    return torch.cat(similarity), same


def _same_pairs(labels: Int64[Tensor, " N"], seed: int) -> Int64[Tensor, "M 2"]:
    order = labels.argsort(stable=True)
    _, counts = labels[order].unique_consecutive(return_counts=True)
    if int((counts * (counts - 1) // 2).sum()) <= 4 * MAX_PAIRS:
        groups = order.split(counts.tolist())
        return torch.cat([torch.zeros(0, 2, dtype=torch.int64), *(torch.combinations(group) for group in groups)])
    # A class in proportion to its pairs, then two of its members, one a step of 1 to count - 1 behind the other.
    generator = torch.Generator().manual_seed(seed)
    ends = (counts * (counts - 1)).cumsum(0)
    drawn = torch.randint(int(ends[-1]), (2 * MAX_PAIRS,), generator=generator)
    group = torch.searchsorted(ends, drawn, right=True)
    starts, size = (counts.cumsum(0) - counts)[group], counts[group]
    within = drawn - (ends - counts * (counts - 1))[group]
    first, step = within // (size - 1), within % (size - 1) + 1
    return torch.stack([order[starts + first], order[starts + (first + step) % size]], 1)


def _different_pairs(labels: Int64[Tensor, " N"], seed: int) -> Int64[Tensor, "M 2"]:
    count = len(labels)
    if count * (count - 1) // 2 <= 4 * MAX_PAIRS:
        pairs = torch.combinations(torch.arange(count))
    else:
        generator = torch.Generator().manual_seed(seed)
        pairs = torch.randint(count, (2 * MAX_PAIRS, 2), generator=generator)
    return pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]


def _sampled(pairs: Int64[Tensor, "M 2"], seed: int) -> Int64[Tensor, "M 2"]:
    if len(pairs) <= MAX_PAIRS:
        return pairs
    return pairs[torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))[:MAX_PAIRS]]


def _inner_products(vectors: Float[Tensor, "N D"], pairs: Int64[Tensor, "M 2"]) -> Float[Tensor, " M"]:
    parts = [(vectors[part[:, 0]] * vectors[part[:, 1]]).sum(1).float() for part in pairs.split(1 << 16)]
    return torch.cat([vectors.new_zeros(0).float(), *parts])
