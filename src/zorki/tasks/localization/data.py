"""Data for localization: images with one box each, or with a box for each of K named parts."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset, TaskData
from zorki.contracts.capabilities import FitsToData, TakesCriterion
from zorki.contracts.statistics import DatasetStatistics
from zorki.data.annotations.boxes.object_counts import ImagesByObjects, OneOrEach, count_objects, fits
from zorki.errors import DataError, RecipeError
from zorki.tasks.localization.settings import LocalizationSettings
from zorki.types import Boxes, ClassInfo, Defect, Sample

if TYPE_CHECKING:
    import torch

    from zorki.contracts import Model
    from zorki.data.annotations.boxes.dataset import BoxDataset

LEFT_OUT = "left out, since localization is of one object or of parts"


class LocalizationData(TaskData[Boxes]):
    """Images with exactly one object, or with each class once at most."""

    needs = ("boxes",)

    def read(
        self,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> Dataset[Boxes]:
        """Every format of detection, without the images of another number of objects; or the built-in scenes.

        Raises:
            DataError: as of detection, or no image has the number of objects that is asked for.
        """
        from zorki.data.formats.readers import read_boxes
        from zorki.data.scenes.choose import is_scenes, scenes_of

        if is_scenes(root, format):
            from zorki.data.scenes.one_object import parse  # painted with torch, which data in files have no need of

            return scenes_of(parse, root, class_names, selection)
        found = read_boxes(root, format, class_names=class_names, max_pixels=max_pixels, selection=selection)
        return images_that_fit(found)

    def augment(
        self, sample: Sample[Boxes], recipe: LocalizationSettings, info: ClassInfo, generator: torch.Generator
    ) -> Sample[Boxes]:
        """Image and boxes varied together, and the object kept in sight."""
        from zorki.tasks.localization.augment import augment_in_sight
        from zorki.tasks.recipe_augment import augment_of

        return augment_in_sight(sample, augment_of(recipe), generator, info)

    def check(self, dataset: Dataset[Boxes], train: Sequence[int]) -> None:
        """There must be a training image, and all images of one kind, as those that are read from files are."""
        if not train:
            raise DataError(f"{dataset.root}: no training image is left; expected images with one box each")
        counts = counts_of(dataset)
        if counts.fitting < counts.images:
            raise DataError(
                f"{dataset.root}: {counts}; of files the others are left out, and a dataset in Python leaves them out "
                "itself; or choose a model of detection, which takes any number"
            )

    def check_evaluation(self, dataset: Dataset[Boxes], info: ClassInfo) -> None:
        """A run of one object an image has one guess, which cannot be right about several parts.

        Raises:
            DataError: it would be asked for parts.
        """
        counts = counts_of(dataset)
        if info.objects == "one" and counts.kind == "each":
            raise DataError(
                f"{dataset.root}: {counts}, which are parts; the run was trained on images of exactly one object. "
                "Evaluate a run that was trained on parts"
            )

    def sampling_weights(self, targets: Sequence[Boxes], info: ClassInfo) -> list[float]:
        """The inverse of how many images show a class, for the rarest class of an image."""
        counts = Counter(label for target in targets for label in target.labels.tolist())
        return [max(1.0 / counts[label] for label in target.labels.tolist()) for target in targets]

    def configure(
        self,
        model: Model[Any, Boxes, Boxes],
        recipe: LocalizationSettings,
        dataset: Dataset[Boxes],
        indices: Sequence[int],
    ) -> None:
        """Label smoothing and class weights; and to a model that `FitsToData` the training boxes, where it starts.

        Raises:
            RecipeError: the loss of the classes is asked for, and the images show parts, which have none.
        """
        targets = [dataset.target(index) for index in indices]
        if isinstance(model, FitsToData) and model.needs_fitting:
            from zorki.tasks.detection.image_sizes import image_sizes

            model.fit_to_data(targets, image_sizes(dataset, indices))
        if not (recipe.label_smoothing or recipe.class_weights):
            return
        if any(len(target) > 1 for target in targets):
            raise RecipeError(
                "label_smoothing and class_weights are of images of one object, and these show parts; leave them out"
            )
        assert isinstance(model, TakesCriterion)
        criterion = _class_criterion(targets, len(dataset.class_names), recipe)
        model.replace_criterion(lambda own: criterion)

    def statistics(self, dataset: Dataset[Boxes]) -> DatasetStatistics:
        """As of detection: boxes and images a class, sizes and aspects."""
        from zorki.tasks.detection.statistics import box_statistics

        note = str(counts_of(dataset))
        if any(LEFT_OUT in defect.reason for defect in dataset.defects):
            note += ", of those that are left; detection takes all of them (--task detection)"
        return dataclasses.replace(box_statistics(dataset), note=note)

    def class_info(self, dataset: Dataset[Boxes]) -> ClassInfo:
        """With how many objects an image has."""
        return dataclasses.replace(super().class_info(dataset), objects=counts_of(dataset).kind)


def _class_criterion(targets: Sequence[Boxes], num_classes: int, recipe: LocalizationSettings) -> torch.nn.Module:
    """As of classification: weights are N / (K n_k), so that a class with few images counts as much as any other."""
    import torch

    from zorki.losses.cross_entropy import CrossEntropy

    weights = None
    if recipe.class_weights:
        labels = torch.cat([target.labels for target in targets])
        counts = torch.bincount(labels, minlength=num_classes)
        weights = len(labels) / (num_classes * counts.clamp_min(1).float())
    return CrossEntropy(label_smoothing=recipe.label_smoothing, weights=weights)


def counts_of(dataset: Dataset[Boxes]) -> ImagesByObjects:
    """How many objects the images have."""
    return count_objects((dataset.target_arrays(index) for index in range(len(dataset))), len(dataset.class_names))


def images_that_fit(found: BoxDataset) -> BoxDataset:
    """The images with one object, or with each class once at most, whichever most have; the others are told.

    Raises:
        DataError: no image is left.
    """
    from zorki.data.annotations.subset import subset_boxes

    counts = counts_of(found)
    kept = [index for index in range(len(found)) if fits(found.target_arrays(index), counts.kind)]
    if not kept:
        raise DataError(
            f"{found.root}: {counts}; expected images of one object, or of parts that are there once at most; "
            "detection takes any number: choose one of its models"
        )
    if len(kept) == len(found):
        return found
    note = Defect(
        found.root,
        f"{_left_out(found, set(kept), counts.kind)}, so {_were(len(found) - len(kept))} {LEFT_OUT}; {counts}",
    )
    chosen = subset_boxes(found, kept)
    return dataclasses.replace(chosen, defects=[*chosen.defects, dataclasses.replace(note, note=True)])


def _left_out(found: BoxDataset, kept: set[int], kind: OneOrEach) -> str:
    """Such as "15 images have 2 objects, 1 image has 3 objects"."""
    others = (found.target_arrays(index) for index in range(len(found)) if index not in kept)
    reasons = sorted(Counter(_held(target, kind) for target in others).items())
    words = [
        f"{count} image{'s' if count > 1 else ''} {'have' if count > 1 else 'has'} {what}"
        for (_, what), count in reasons[:4]
    ]
    return ", ".join(words) + (", ..." if len(reasons) > 4 else "")


def _held(target: Boxes[Any], kind: OneOrEach) -> tuple[int, str]:
    """What an image that does not fit has, after a number to sort by."""
    count = len(target)
    if count == 0:
        return 0, "no objects"
    if target.crowd is not None and bool(target.crowd.any()):
        return count, "a crowd"
    return count, f"{count} objects" if kind == "one" else f"{count} objects, some of one class"


def _were(count: int) -> str:
    return "it was" if count == 1 else f"these {count} were"
