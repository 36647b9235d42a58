"""What a server counts, as Prometheus reads it (text format 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


@dataclass
class _Histogram:
    """Counts of values up to each bound, and above the last; their sum."""

    bounds: Sequence[float]
    total: float = 0.0
    counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str) -> list[str]:
        found, below = [], 0
        for bound, count in zip((*map(_number, self.bounds), "+Inf"), self.counts, strict=True):
            below += count
            found.append(f'{name}_bucket{{le="{bound}"}} {below}')
        return [*found, f"{name}_sum {self.total:.6f}", f"{name}_count {below}"]


@dataclass
class ServerMetrics:
    """Requests by path and status, images by outcome, latency, sizes of batches, the length of the queue."""

    queue_length: Callable[[], int] = lambda: 0
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    images: Counter[str] = field(default_factory=Counter)
    seconds: _Histogram = field(default_factory=lambda: _Histogram(SECONDS))
    batches: _Histogram = field(default_factory=lambda: _Histogram(SIZES))

    def to_text(self) -> str:
        """The page of /metrics."""
        requests = [
            f'zorki_requests_total{{path="{path}",status="{status}"}} {count}'
            for (path, status), count in sorted(self.requests.items())
        ]
        images = [f'zorki_images_total{{outcome="{name}"}} {count}' for name, count in sorted(self.images.items())]
        parts = [
            ("zorki_requests_total", "counter", "Requests by path and status.", requests),
            ("zorki_images_total", "counter", "Images by outcome.", images),
            ("zorki_request_seconds", "histogram", "Seconds from a request to its response, of /predict.",
             self.seconds.lines("zorki_request_seconds")),
            ("zorki_batch_images", "histogram", "Images predicted at once.", self.batches.lines("zorki_batch_images")),
            ("zorki_queue_length", "gauge", "Images that wait, or are being predicted.",
             [f"zorki_queue_length {self.queue_length()}"]),
        ]  # fmt: skip
        lines = [
            line
            for name, kind, words, values in parts
            for line in (f"# HELP {name} {words}", f"# TYPE {name} {kind}", *values)
        ]
        return "\n".join(lines) + "\n"


def _number(bound: float) -> str:
    return f"{bound:g}"
