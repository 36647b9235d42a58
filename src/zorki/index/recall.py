"""How much of what exact search finds an approximate index finds, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from zorki.errors import ZorkiError
from zorki.index.store import Tell

NEIGHBORS, QUERIES = 10, 1000
AIM, MIN_RECALL = 0.99, 0.95
TIE = 1e-5  # similarities that differ by less are equal: float32 sums differ with their order
Array = np.ndarray[Any, np.dtype[Any]]


def query_rows(count: int) -> Array:
    """The rows that are asked for, drawn by a seed."""
    return np.sort(np.random.default_rng(0).permutation(count)[:QUERIES])


def recall_at_10(found: Float32[np.ndarray, "Q K"], exact: Float32[np.ndarray, "Q K"]) -> float:
    """Share of the ten nearest that were found, by their similarities: of equally near ones any counts.

    Args:
        found: similarities of what was found, falling; minus infinity where there was less.
        exact: of what exact search finds, as many columns.
    """
    return float((found >= exact[:, -1:] - TIE).mean())


def tuned(
    measure: Callable[[int], float], efforts: Sequence[int], tell: Tell, *, name: str, effort_name: str, instead: str
) -> int:
    """The least effort of a search whose recall reaches `AIM`, else the greatest one; its recall is told.

    Args:
        measure: recall at an effort.
        efforts: rising.
        instead: what to do where the recall is too low.

    Raises:
        ZorkiError: no effort reaches `MIN_RECALL`.
    """
    effort, recall = efforts[0], 0.0
    for effort in efforts:
        recall = measure(effort)
        if recall >= AIM:
            break
    tell(
        f"{name}: recall@{NEIGHBORS} against exact search is {recall:.4f}, with up to {QUERIES:,} of the vectors as "
        f"queries ({effort_name} {effort})"
    )
    if recall < MIN_RECALL:
        raise ZorkiError(
            f"{name} finds {recall:.4f} of the {NEIGHBORS} nearest neighbors on these vectors; expected at least "
            f"{MIN_RECALL}. {instead}"
        )
    return effort
