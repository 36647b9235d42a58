"""Ways to compute the same network, timed in turn."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MARGIN = 0.05  # of the time, by which another way must be quicker than the usual one: less is noise
ROUNDS = 4  # of which the first warms up: memory is taken, kernels are chosen
BUDGET = 10.0  # seconds, after which no further round begins


@dataclass(frozen=True)
class Way:
    """Memory format (see `zorki.engine.device.MEMORY_FORMATS`), precision as in a recipe, and threads."""

    memory_format: str
    precision: str
    threads: int

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.memory_format}, {self.precision}, {threads}"


def timed(
    steps: Mapping[Way, Callable[[], object]], clock: Callable[[], float] = time.perf_counter
) -> dict[Way, float]:
    """Seconds of the quickest step of each way. They are taken in turn, so that what else runs slows all of them."""
    quickest = dict.fromkeys(steps, math.inf)
    began = clock()
    for number in range(ROUNDS):
        for way, step in steps.items():
            start = clock()
            step()
            if number:
                quickest[way] = min(quickest[way], clock() - start)
        if number and clock() - began > BUDGET:
            break
    return quickest


def fastest(seconds: Mapping[Way, float]) -> Way:
    """The quickest way, where it is so by more than `MARGIN`; else the first, which is the usual one."""
    usual, best = next(iter(seconds)), min(seconds, key=lambda way: seconds[way])
    return best if seconds[best] < (1 - MARGIN) * seconds[usual] else usual


def why(seconds: Mapping[Way, float], chosen: Way) -> str:
    """The measurement in a few words: the chosen one first, then the nearest other."""
    others = sorted((value, str(way)) for way, value in seconds.items() if way != chosen)
    words = [f"measured: {_ms(seconds[chosen])} a step with {chosen}"]
    return "; ".join([*words, *(f"{_ms(value)} with {way}" for value, way in others[:1])])


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms" if seconds >= 0.01 else f"{1000 * seconds:.2f} ms"
