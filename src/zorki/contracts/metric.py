"""Scores of predictions against ground truth."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from zorki.errors import ZorkiError

T = TypeVar("T")  # target
P = TypeVar("P")  # prediction


@dataclass(frozen=True, kw_only=True)
class MetricResult:
    """What a metric found: a frozen dataclass whose docstring has the unit of each field.

    Scores lie in 0..1 unless said otherwise. None is the score of nothing, such as the recall of a class without
    objects; where no image was evaluated, all scores are None.

    Attributes:
        count: images that were evaluated.
    """

    count: int

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON: keys are snake_case and stable, class names stand in values."""
        return {field.name: plain_values(getattr(self, field.name)) for field in dataclasses.fields(self)}

    def scalars(self) -> dict[str, int | float]:
        """The single numbers, by the names of logs, monitors and headlines; what is None is left out."""
        return {name: value for name, value in self.to_json().items() if isinstance(value, int | float)}

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Lists of rows, such as "per_class", by their names: what there is beside single numbers, for a person."""
        found = {name: value for name, value in self.to_json().items() if isinstance(value, list) and value}
        return {name: [_numbers(row) for row in value] for name, value in found.items() if isinstance(value[0], dict)}

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with a row a class; with one row where nothing is told by class.

        Raises:
            ZorkiError: pandas is not installed.
        """
        try:
            import pandas  # type: ignore[import-untyped, import-not-found, unused-ignore]
        except ImportError as error:
            raise ZorkiError("to_pandas needs pandas, which is not installed: pip install 'zorki[pandas]'") from error
        return pandas.DataFrame(self.tables().get("per_class", [self.scalars()]))

    def __str__(self) -> str:
        width = max(map(len, self.scalars()))
        return "\n".join(f"{name:{width}} {text_of(value)}" for name, value in self.scalars().items())


class Metric(ABC, Generic[P, T]):
    """Scores of predictions against ground truth, from the untouched annotation, in original pixels."""

    takes_arrays: ClassVar[bool] = False  # whether `update` takes annotations of arrays, too, and loads no torch

    @abstractmethod
    def update(self, predictions: Sequence[P], targets: Sequence[T]) -> None: ...

    @abstractmethod
    def compute(self) -> MetricResult: ...

    @abstractmethod
    def reset(self) -> None: ...

    @abstractmethod
    def merge(self, other: Any) -> None:
        """Takes in what a metric of the same class counted in another process: afterwards both count as one."""


def plain_values(value: Any) -> Any:
    """Plain JSON: dataclasses become dicts, arrays and tuples lists; numbers that JSON lacks (nan, inf) None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_values(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain_values(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(one) for one in value]
    if isinstance(value, float):
        return value if value - value == 0 else None
    return value if value is None or isinstance(value, str | int) else plain_values(value.tolist())


def text_of(value: float | None, digits: int = 4) -> str:
    """A score for a person: whole numbers as they are, "-" for None.

    >>> text_of(0.5), text_of(12), text_of(None)
    ('0.5000', '12', '-')
    """
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not isinstance(value, list | dict)}
