"""Numbers for predictions against ground truth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")  # target
P = TypeVar("P")  # prediction


class Metric(ABC, Generic[P, T]):
    """Numbers for predictions against truth. Judges the untouched annotation, in original pixels."""

    @abstractmethod
    def update(self, predictions: Sequence[P], targets: Sequence[T]) -> None: ...

    @abstractmethod
    def compute(self) -> dict[str, Any]:
        """Figures by name: floats for the log; lists and nested dicts for tables. Plain JSON."""

    @abstractmethod
    def reset(self) -> None: ...

    @abstractmethod
    def merge(self, other: Any) -> None:
        """Takes in what a metric of the same class counted in another process: afterwards both count as one."""
