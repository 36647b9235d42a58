"""How much of what exact search finds an approximate index finds, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from zorki.errors import ZorkiError
from zorki.index.store import Neighbor, Tell

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


def tuned_on_own(
    ask: Callable[[Array, int, int], Array],
    vectors: Float32[np.ndarray, "N D"],
    efforts: Sequence[int],
    tell: Tell,
    **words: str,
) -> int:
    """As `tuned`, of an index that holds the vectors already: each query is left out of what it finds.

    Args:
        ask: similarities, falling, of what is found for some queries, so many each, at an effort.
        words: as `tuned`.
    """
    rows, k = query_rows(len(vectors)), min(NEIGHBORS + 1, len(vectors))
    queries = vectors[rows]
    starts = range(0, len(rows), 100)
    parts = [np.partition(queries[at : at + 100] @ vectors.T, -k, axis=1)[:, -k:] for at in starts]
    exact = -np.sort(-np.concatenate(parts), axis=1)
    return tuned(lambda effort: recall_at_10(ask(queries, k, effort)[:, 1:], exact[:, 1:]), efforts, tell, **words)


def padded(found: Sequence[Sequence[Neighbor]], k: int) -> Array:
    """Similarities of neighbors; minus infinity where there are fewer than k."""
    rows = [[one.similarity for one in own] + [-np.inf] * (k - len(own)) for own in found]
    return np.array(rows, np.float32)


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
