"""Data for pretraining: images, with labels or without."""

from __future__ import annotations

import dataclasses
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset, TaskData
from zorki.contracts.statistics import DatasetStatistics
from zorki.errors import DataError
from zorki.tasks.pretraining.settings import PretrainingSettings
from zorki.types import Annotation, ClassInfo, Label, Sample

if TYPE_CHECKING:
    import torch

    from zorki.contracts import Model

LOOKED_AT = 15  # images whose size is asked
SMALL_SIZE = 64  # pixels: images up to here are learned from as large as they are


class PretrainingData(TaskData[Annotation]):
    """Any images; labels are read where the data have them, and serve evaluation alone."""

    def read(
        self,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> Dataset[Any]:
        """Every format of classification, or of films with classes; else all images and videos, without labels.

        Of films single frames are learned from, see `FilmFrames`.

        Args:
            format: "images" reads no labels.
            class_names: of no account: nothing that is learned hangs on classes, so that any may be evaluated on.

        Raises:
            DataError: as the readers, or there is neither image nor video.
        """
        from zorki.data.annotations.bare_images import IMAGES
        from zorki.data.annotations.clips.film_frames import FilmFrames, read_film_frames
        from zorki.data.formats.readers import has_films, has_labels, read_clips, read_labels
        from zorki.data.scenes.choose import is_scenes, scenes_of

        if is_scenes(root, format):
            from zorki.data.scenes.dataset import parse  # painted with torch, which data in files have no need of

            return scenes_of(parse, root, None, selection)
        if has_films(root, format):
            films = read_clips(root, format, max_pixels=max_pixels, selection=selection)
            return FilmFrames(films, labeled=True)
        if format == IMAGES or (format is None and not has_labels(root)):
            return read_film_frames(root, max_pixels=max_pixels)
        return read_labels(root, format, max_pixels=max_pixels, selection=selection)

    def arrange(self, dataset: Dataset[Any], recipe: PretrainingSettings) -> Dataset[Any]:
        """So many frames of films as the recipe says."""
        from zorki.data.annotations.clips.film_frames import FilmFrames

        return dataset.at_rate(recipe.video_rate) if isinstance(dataset, FilmFrames) else dataset

    def augment(
        self, sample: Sample[Annotation], recipe: PretrainingSettings, info: ClassInfo, generator: torch.Generator
    ) -> Sample[Annotation]:
        """The image varied before its views are cut, where the recipe asks for it; crops and flips are the views'."""
        from zorki.tasks.recipe_augment import augment_of

        augment = dataclasses.replace(augment_of(recipe), random_crop=1.0, hflip=0.0)
        if augment == type(augment)():
            return sample
        return dataclasses.replace(sample, image=augment(sample.image, generator))

    def suggest(
        self, recipe: PretrainingSettings, dataset: Dataset[Annotation], indices: Sequence[int]
    ) -> dict[str, tuple[Any, str]]:
        """The size of small images: enlarged, they would only take longer."""
        sides: list[int] = []
        if recipe.image_size is None:
            for index in indices[:: max(1, len(indices) // LOOKED_AT)][:LOOKED_AT]:
                try:
                    sides.append(max(dataset[index].image.shape[-2:]))
                except DataError:
                    continue
        side = int(statistics.median(sides)) if sides else SMALL_SIZE + 1
        return {"image_size": (side, "the images are so small")} if side <= SMALL_SIZE else {}

    def check(self, dataset: Dataset[Annotation], train: Sequence[int]) -> None:
        """Two images at least: what is learned is how they differ."""
        if len(train) < 2:
            raise DataError(f"{dataset.root}: {len(train)} training images; expected two at least")

    def configure(
        self,
        model: Model[Any, Annotation, Any],
        recipe: PretrainingSettings,
        dataset: Dataset[Annotation],
        indices: Sequence[int],
    ) -> None:
        """Views as the recipe has them, and teachers that begin as their students do."""
        from zorki.tasks.pretraining.view_network import ViewNetwork

        given = {
            "min_area": recipe.random_crop, "hflip": recipe.hflip, "jitter": recipe.jitter,
            "grayscale": recipe.grayscale, "blur": recipe.view_blur, "later_blur": recipe.view_blur,
        }  # fmt: skip
        assert isinstance(model, ViewNetwork)
        model.vary_views({name: value for name, value in given.items() if value is not None})
        model.synchronize()

    def statistics(self, dataset: Dataset[Any]) -> DatasetStatistics:
        """Images by split and class."""
        counts: dict[str, list[int]] = {}
        for split, indices in dataset.splits.items():
            # What is not labeled is of the one class that there is.
            targets = (dataset.target(index) for index in indices)
            found = Counter(target.index if isinstance(target, Label) else 0 for target in targets)
            counts[split] = [found.get(label, 0) for label in range(len(dataset.class_names))]
        return DatasetStatistics(dataset.class_names, counts)
