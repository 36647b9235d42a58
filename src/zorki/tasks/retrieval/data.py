"""Data for retrieval: images with a class each, of which whole classes are held out."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset, TaskData
from zorki.contracts.statistics import DatasetStatistics
from zorki.errors import DataError
from zorki.tasks.retrieval.settings import RetrievalSettings
from zorki.types import ClassInfo, Label, Sample

if TYPE_CHECKING:
    import torch

    from zorki.contracts.sampler import Sampler

SMALL_IMAGES_BATCH, LARGE_BATCH = 128, 32  # the largest usual sizes, of small images and of large ones
STEPS = 10  # an epoch, at least


class RetrievalData(TaskData[Label]):
    """Images with one label each; the classes of validation and test are new where the data do not say otherwise."""

    open_set = True

    def read(
        self,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> Dataset[Label]:
        """Every format of classification. Classes beyond `class_names` follow them. Raises DataError."""
        from zorki.data.formats.readers import read_labels
        from zorki.data.scenes.choose import is_scenes, scenes_of

        if is_scenes(root, format):
            from zorki.data.scenes.dataset import parse  # painted with torch, which data in files have no need of

            return scenes_of(parse, root, class_names, selection)
        return read_labels(
            root, format, class_names=class_names, max_pixels=max_pixels, selection=selection, open_set=True
        )

    def augment(
        self, sample: Sample[Label], recipe: RetrievalSettings, info: ClassInfo, generator: torch.Generator
    ) -> Sample[Label]:
        """The image varied; it stays of its class."""
        from zorki.tasks.recipe_augment import augment_of

        return dataclasses.replace(sample, image=augment_of(recipe)(sample.image, generator))

    def check(self, dataset: Dataset[Label], train: Sequence[int]) -> None:
        """Two classes at least must have two training images each: of a single one there is no pair."""
        counts = Counter(dataset.target(index).index for index in train)
        paired = sum(count > 1 for count in counts.values())
        if paired < 2:
            others = len(dataset.class_names) - len(counts)
            elsewhere = f" ({others} more are held out for val and test, or have no image)" if others else ""
            raise DataError(
                f"{dataset.root}: {paired} of {len(counts)} training classes{elsewhere} with two training images or "
                "more; expected at least two such classes, since what is learned is which images are of one class. A "
                "folder for each class, such as a person or a product, holds its images."
            )

    def suggest(
        self, recipe: RetrievalSettings, dataset: Dataset[Label], indices: Sequence[int]
    ) -> dict[str, tuple[Any, str]]:
        """Whole classes for a batch, where these or the images are so few that the usual size would not be any."""
        if recipe.batch_size is not None or not indices:
            return {}
        there, per_class = len({dataset.target(index).index for index in indices}), recipe.samples_per_class
        steady = min(LARGE_BATCH, len(indices) // STEPS)  # some steps an epoch, of a size that serves large images
        if there < 2 or (there * per_class >= SMALL_IMAGES_BATCH and steady >= 2 * per_class):
            return {}
        classes = min(there, max(2, steady // per_class))
        return {"batch_size": (classes * per_class, f"{per_class} images of each of {classes} classes")}

    def sampler(self, targets: Sequence[Label], recipe: RetrievalSettings, info: ClassInfo) -> Sampler:
        """P x K: as many classes as fit into the batch size, with `samples_per_class` images each."""
        from zorki.data.loading.samplers import ClassSampler
        from zorki.errors import RecipeError

        assert recipe.batch_size is not None
        labels = [target.index for target in targets]
        per_class, there = recipe.samples_per_class, len(set(labels))
        classes, rest = divmod(recipe.batch_size, per_class)
        if rest or not 2 <= classes <= there:
            most = there * per_class
            raise RecipeError(
                f"a batch of {recipe.batch_size} images with {per_class} of a class: expected a multiple of {per_class}"
                f" from {2 * per_class} to {most}, as there are {there} classes; set batch_size to "
                f"{min(most, max(2, classes) * per_class)}, or change samples_per_class"
            )
        return ClassSampler(labels, classes=classes, samples=per_class)

    def statistics(self, dataset: Dataset[Label]) -> DatasetStatistics:
        """Images by split and class."""
        counts: dict[str, list[int]] = {}
        for split, indices in dataset.splits.items():
            found = Counter(dataset.target(index).index for index in indices)
            counts[split] = [found.get(label, 0) for label in range(len(dataset.class_names))]
        return DatasetStatistics(dataset.class_names, counts)
