"""What a run knows of its classes, and has learned about its data: one frozen value, saved with the run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from zorki.types.skeleton import Skeleton


@dataclass(frozen=True)
class ClassInfo:
    """The classes of a dataset or of a run, and what training found out about the data.

    Attributes:
        names: of the labels 0..K-1.
        background: labels of classes that are no thing to look at: drawings leave them in the image's own colors.
        category_ids: the number of each class in files of the field, such as COCO's; None: the data have none.
        palette: the color (red, green, blue) of each label in maps of classes; None: the project's own.
        score_threshold: predictions that score less are not worth showing; None: no run has found one.
        threshold_split: where `score_threshold` is best, such as "val".
        objects: how many objects each image has: "one", or "each" class once at most, as parts of one thing; None: any.
        ignore: the ignore index: what maps of classes hold where a pixel is of no class; None: the task has no maps.
        skeleton: the joints of the objects; None: the task has none.
    """

    names: tuple[str, ...]
    background: tuple[int, ...] = ()
    category_ids: tuple[int, ...] | None = None
    palette: tuple[tuple[int, int, int], ...] | None = None
    score_threshold: float | None = None
    threshold_split: str | None = None
    ignore: int | None = None
    objects: Literal["one", "each"] | None = None
    skeleton: Skeleton | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def output_count(self) -> int:
        """What a network's builder is told: how many joints it finds, or else classes it tells apart."""
        return len(self.names) if self.skeleton is None else len(self.skeleton)

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not known is left out."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        values["skeleton"] = None if self.skeleton is None else self.skeleton.to_json()
        return {name: value for name, value in values.items() if value not in (None, ())}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ClassInfo:
        """The inverse of `to_json`; fields that this version does not know are left out.

        >>> ClassInfo.from_json({"names": ["cat", "dog"], "category_ids": [17, 18]}).category_ids
        (17, 18)
        """
        field_names = {f.name for f in dataclasses.fields(cls)}
        return cls(**{name: _frozen(value) for name, value in values.items() if name in field_names})


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Skeleton.from_json(value)
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value
