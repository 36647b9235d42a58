"""What a dataset holds in numbers: for a person, and as JSON with stable keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StatisticsTable:
    """Numbers of each split.

    Attributes:
        name: snake_case; its key in JSON.
        title: what it is called for a person.
        columns: what each number is called for a person, by its snake_case key.
        values: numbers by split and key; None is the number of nothing.
        brief: whether it belongs to what is shown first.
    """

    name: str
    title: str
    columns: Mapping[str, str]
    values: Mapping[str, Mapping[str, Any]]
    brief: bool = False

    def rows(self) -> dict[str, dict[str, Any]]:
        """For a person: a row a number, with a value a split."""
        return {
            text: {split: values[key] for split, values in self.values.items()} for key, text in self.columns.items()
        }

    def to_json(self) -> list[dict[str, Any]]:
        """A record a split."""
        return [{"split": split, **values} for split, values in self.values.items()]


@dataclass(frozen=True)
class DatasetStatistics:
    """Counts by split and class, and tables of numbers by split.

    Attributes:
        class_names: in the order of labels.
        counts: by split and label, of what `counted` names.
        counted: images, boxes, objects or pixels.
        images: by split and label, images that show the class; None where `counted` is images.
        tables: what else there is to tell.
        note: a sentence for a person, such as which other task suits the data; empty: none.
    """

    class_names: Sequence[str]
    counts: Mapping[str, Sequence[int]]
    counted: str = "images"
    images: Mapping[str, Sequence[int]] | None = None
    tables: Sequence[StatisticsTable] = ()
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: keys are snake_case and stable, class names stand in values."""
        shown = self.counts if self.images is None else self.images
        return {
            "counted": self.counted,
            "classes": [
                {"split": split, "class_name": name, "count": count, "images": images}
                for split, counts in self.counts.items()
                for name, count, images in zip(self.class_names, counts, shown[split], strict=True)
            ],
            "tables": {table.name: table.to_json() for table in self.tables},
        }
