"""Images of which nothing is known: any folder of them, or another dataset without its annotation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zorki.contracts import Dataset
from zorki.data.annotations.listing import is_image, missing_root, no_images, walk_files
from zorki.data.annotations.splits import complete_splits, split_name
from zorki.data.images import MAX_PIXELS, check_image, read_array, read_image
from zorki.errors import DataError
from zorki.types import ArraySample, Defect, Sample, Unlabeled

CLASS_NAME = "image"
"""What all images are called, for want of classes."""


@dataclass
class UnlabeledImages(Dataset[Unlabeled]):
    """Images in files. `names` are paths relative to `root`, with forward slashes."""

    root: Path
    names: list[str]
    splits: dict[str, list[int]]
    split_reason: str
    max_pixels: int = MAX_PIXELS
    format: str = "images"
    reason: str = "every image in the folder and below it"
    class_names: list[str] = field(default_factory=lambda: [CLASS_NAME])
    defects: list[Defect] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample[Unlabeled]:
        path = self.path(index)
        return Sample(read_image(path, max_pixels=self.max_pixels), Unlabeled(), path)

    def arrays(self, index: int) -> ArraySample:
        path = self.path(index)
        return ArraySample(read_array(path, max_pixels=self.max_pixels), Unlabeled(), path)

    def target(self, index: int) -> Unlabeled:
        return Unlabeled()

    def path(self, index: int) -> Path:
        return self.root / self.names[index]

    def check(self, index: int) -> Defect | None:
        reason = check_image(self.path(index), self.max_pixels)
        return None if reason is None else Defect(self.path(index), reason)


def read_unlabeled(root: Path, max_pixels: int | None = None) -> UnlabeledImages:
    """Every image in a folder and below it; or one image.

    Splits are those of the folders that are called so (train, val, test), right in the folder; without, the images are
    parted by their names, as in all data without splits.

    Raises:
        DataError: there is no such folder, or no image in it.
    """
    if (missing := missing_root(root)) is not None:
        raise missing
    if root.is_file():
        if not is_image(root.name):
            raise DataError(f"{root}: no image by its suffix; expected a folder of images")
        root, names = root.parent, [root.name]
    else:
        names = [name for name in walk_files(root) if is_image(name)]
    if not names:
        raise no_images(root)
    splits, reason = complete_splits(_given(names), names)
    if not splits.get("train") and len(names) < 10 and "by a hash" in reason:  # a few, which the hash holds out
        splits, reason = {"train": list(range(len(names)))}, "train: all, since there are few images"
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    return UnlabeledImages(root, names, splits, reason, limit)


def _given(names: Sequence[str]) -> dict[str, list[int]]:
    """The splits of the folders that are called so, where all images lie in such."""
    words = [name.partition("/")[0] if "/" in name else "" for name in names]
    if any(split_name(word) is None for word in words):
        return {}
    return {word: [place for place, own in enumerate(words) if own == word] for word in dict.fromkeys(words)}


class WithoutAnnotations(Dataset[Unlabeled]):
    """The images of another dataset, of which nothing is known."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset
        self.root, self.format, self.reason = dataset.root, dataset.format, dataset.reason
        self.class_names, self.defects = [CLASS_NAME], dataset.defects
        self.splits, self.split_reason, self.in_memory = dataset.splits, dataset.split_reason, dataset.in_memory

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample[Unlabeled]:
        sample = self.dataset[index]
        return Sample(sample.image, Unlabeled(), sample.path)

    def target(self, index: int) -> Unlabeled:
        return Unlabeled()

    def path(self, index: int) -> Path:
        return self.dataset.path(index)

    def check(self, index: int) -> Defect | None:
        return self.dataset.check(index)
