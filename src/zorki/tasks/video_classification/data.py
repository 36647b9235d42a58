"""Data for video classification: films, or parts of them, with one class each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset, TaskData
from zorki.contracts.capabilities import TakesCriterion
from zorki.contracts.statistics import DatasetStatistics
from zorki.tasks.classification.data import ClassificationData, recipe_augment
from zorki.tasks.video_classification.settings import VideoClassificationSettings
from zorki.types import ClassInfo, Label, Sample

if TYPE_CHECKING:
    import torch

    from zorki.contracts import Model


def only_mirrors(recipe: VideoClassificationSettings) -> bool:
    """Whether training films are varied in no way but that they may be mirrored."""
    from zorki.tasks.recipe_augment import augment_of

    augment = dataclasses.replace(augment_of(recipe), hflip=0.0)
    return augment == type(augment)() and not recipe.transforms


class VideoClassificationData(TaskData[Label]):
    """Films with one label each."""

    needs = ("clips",)
    usual_classes = 400  # of Kinetics

    def __init__(self) -> None:
        self._images = ClassificationData()

    def read(
        self,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> Dataset[Label]:
        """Folder per class, tables, UCF101's lists, or the built-in clips (`scenes:COUNT@SIZE`). Raises DataError."""
        from zorki.data.formats.readers import read_clips
        from zorki.data.scenes.choose import is_scenes, scenes_of

        if is_scenes(root, format):
            from zorki.data.scenes.films.motions import parse  # painted with torch, which data in files have no need of

            return scenes_of(parse, root, class_names, selection)
        return read_clips(root, format, class_names=class_names, max_pixels=max_pixels, selection=selection)

    def arrange(self, dataset: Dataset[Label], recipe: VideoClassificationSettings) -> Dataset[Label]:
        """Groups as the recipe says; see `zorki.data.annotations.clips.groups`."""
        from zorki.data.annotations.clips.dataset import ClipDataset

        if recipe.group is None or not isinstance(dataset, ClipDataset):
            return dataset
        return dataset.regrouped(recipe.group)

    def augment(
        self, sample: Sample[Label], recipe: VideoClassificationSettings, info: ClassInfo, generator: torch.Generator
    ) -> Sample[Label]:
        """Every frame varied alike; a mirrored film may be of another class, as left is of right."""
        import torch

        from zorki.data.preprocess.clips import film_of
        from zorki.data.transforms.flip_pairs import swapped_by_flip
        from zorki.data.transforms.varied_film import VariedFilm

        film, augment = film_of(sample.image), recipe_augment(recipe)
        drawn = augment.draw(*film.size, generator)
        varied = VariedFilm(film, augment, drawn, int(torch.randint(2**62, (), generator=generator)))
        swapped = swapped_by_flip(info.names) if drawn.mirrors else None
        target = sample.target if swapped is None else Label(swapped[sample.target.index])
        return dataclasses.replace(sample, image=varied, target=target)

    def check(self, dataset: Dataset[Label], train: Sequence[int]) -> None:
        """Two classes at least must have training films."""
        self._images.check(dataset, train)

    def sampling_weights(self, targets: Sequence[Label], info: ClassInfo) -> list[float]:
        return self._images.sampling_weights(targets, info)

    def configure(
        self,
        model: Model[Any, Label, Any],
        recipe: VideoClassificationSettings,
        dataset: Dataset[Label],
        indices: Sequence[int],
    ) -> None:
        """The sampling of frames, which the preprocessing keeps from here on, label smoothing, and class weights.

        Raises:
            RecipeError: the network takes clips of another length.
        """
        import torch

        from zorki.losses.cross_entropy import CrossEntropy
        from zorki.tasks.video_classification.frames import FrameClassifier
        from zorki.tasks.video_classification.sampling import with_sampling

        model.restore_preprocess(with_sampling(model.preprocess, recipe))
        if isinstance(model, FrameClassifier) and recipe.freeze == "backbone" and only_mirrors(recipe):
            model.store_features(precision=recipe.precision or "32", mirrored=bool(recipe.hflip))
        weights = None
        if recipe.class_weights:
            labels = torch.tensor([dataset.target(index).index for index in indices])
            counts = torch.bincount(labels, minlength=len(dataset.class_names))
            weights = len(labels) / (len(dataset.class_names) * counts.clamp_min(1).float())
        assert isinstance(model, TakesCriterion)
        model.replace_criterion(lambda own: CrossEntropy(label_smoothing=recipe.label_smoothing, weights=weights))

    def statistics(self, dataset: Dataset[Label]) -> DatasetStatistics:
        """Films by split and class."""
        return dataclasses.replace(self._images.statistics(dataset), counted="clips")
