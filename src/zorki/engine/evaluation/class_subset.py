"""A dataset evaluated by some of its classes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from zorki.contracts import Dataset
from zorki.engine.prediction.rows import keep_rows
from zorki.types import ClassInfo, Defect, Sample


class ClassSubset(Dataset[Any]):
    """The same images, with the objects of these labels alone; labels stay what they are.

    Average precision leaves out classes that no object is of.
    """

    def __init__(self, dataset: Dataset[Any], labels: Sequence[int]) -> None:
        self.dataset, self.labels = dataset, labels
        self.root, self.format, self.reason = dataset.root, dataset.format, dataset.reason
        self.class_names, self.in_memory = dataset.class_names, dataset.in_memory
        self.splits, self.split_reason, self.defects = dataset.splits, dataset.split_reason, dataset.defects

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample[Any]:
        sample = self.dataset[index]
        return replace(sample, target=keep_rows(sample.target, labels=self.labels))

    def target(self, index: int) -> Any:
        return keep_rows(self.dataset.target(index), labels=self.labels)

    def path(self, index: int) -> Path:
        return self.dataset.path(index)

    def check(self, index: int) -> Defect | None:
        return self.dataset.check(index)

    def class_info(self) -> ClassInfo:
        return self.dataset.class_info()
