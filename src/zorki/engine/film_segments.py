"""What happens when in a long film: scores of windows to segments of one class each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray


@dataclass(frozen=True)
class FilmSegment:
    """A part of a film of one class: from `start` to `end` in seconds, with the mean score of its windows, 0..1."""

    start: float
    end: float
    label: int
    score: float


def window_starts(duration: float, length: float, step: float) -> list[float]:
    """Where windows of `length` seconds begin, one every `step` seconds; the last one ends with the film.

    >>> window_starts(5.0, 2.0, 1.5)
    [0.0, 1.5, 3.0]
    """
    last = max(0.0, duration - length)
    count = int(last / step + 1e-9)
    starts = [number * step for number in range(count + 1)]
    return starts if last - starts[-1] < 1e-6 else [*starts, last]


def smoothed(scores: Float[ndarray, "N K"], width: int) -> Float[ndarray, "N K"]:
    """The mean over `width` windows around each, an odd number; at the ends over those that there are."""
    half = width // 2
    sums = np.concatenate([np.zeros((1, scores.shape[1])), np.cumsum(scores, axis=0)])
    first = np.maximum(np.arange(len(scores)) - half, 0)
    behind = np.minimum(np.arange(len(scores)) + half + 1, len(scores))
    return (sums[behind] - sums[first]) / (behind - first)[:, None]  # type: ignore[no-any-return]


def segments_of(
    scores: Float[ndarray, "N K"], starts: list[float], length: float, duration: float, *, shortest: float = 0.0
) -> list[FilmSegment]:
    """The film parted where the best class changes: in the middle between the middles of two windows.

    Args:
        scores: of each window and class.
        starts: seconds at which windows begin, in order.
        length: seconds of a window.
        duration: seconds of the film, all of which is covered.
        shortest: seconds of a segment, at least: shorter ones, the shortest first, become part of the neighbor whose
            class scores more in them.
    """
    middles = [start + length / 2 for start in starts]
    edges = [0.0, *((a + b) / 2 for a, b in pairwise(middles)), duration]
    labels: list[int] = scores.argmax(1).tolist()
    runs = _runs(labels)
    while len(runs) > 1:
        run = min(runs, key=lambda one: edges[one[1]] - edges[one[0]])
        if edges[run[1]] - edges[run[0]] >= shortest:
            break
        neighbors = {labels[place] for place in (run[0] - 1, run[1]) if 0 <= place < len(labels)}
        within = scores[run[0] : run[1]].mean(0)
        labels[run[0] : run[1]] = [max(sorted(neighbors), key=lambda label: float(within[label]))] * (run[1] - run[0])
        runs = _runs(labels)
    return [
        FilmSegment(edges[first], edges[behind], labels[first], float(scores[first:behind, labels[first]].mean()))
        for first, behind in runs
    ]


def _runs(labels: list[int]) -> list[tuple[int, int]]:
    """First place, and that behind the last, of each stretch of equal labels."""
    found, place = [], 0
    for _, members in groupby(labels):
        count = sum(1 for _ in members)
        found.append((place, place + count))
        place += count
    return found


def label_studio_timeline(
    segments: list[FilmSegment], names: tuple[str, ...], *, path: str, rate: float
) -> dict[str, Any]:
    """A task of Label Studio with the segments as predictions of a `TimelineLabels` tag named "timeline".

    Its ranges are of frames, from 1 on, the last one included.
    """
    results = [
        {
            "id": f"segment-{number}",
            "type": "timelinelabels",
            "from_name": "timeline",
            "to_name": "video",
            "score": round(one.score, 6),
            "value": {
                "ranges": [{"start": round(one.start * rate) + 1, "end": max(1, round(one.end * rate))}],
                "timelinelabels": [names[one.label]],
            },
        }
        for number, one in enumerate(segments, 1)
    ]
    mean = sum(one.score * (one.end - one.start) for one in segments) / max(1e-9, segments[-1].end) if segments else 0.0
    return {"data": {"video": path}, "predictions": [{"score": round(mean, 6), "result": results}]}
