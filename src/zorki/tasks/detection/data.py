"""Data for detection: images with boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset
from zorki.contracts.capabilities import FitsToData, Precomputes
from zorki.contracts.statistics import DatasetStatistics
from zorki.tasks.detection.object_task import ObjectData
from zorki.tasks.detection.settings import DetectionSettings
from zorki.types import Batch, Boxes, ClassInfo, Sample

if TYPE_CHECKING:
    import torch

    from zorki.contracts import Model


class DetectionData(ObjectData[Boxes]):
    """Images with boxes."""

    needs = ("boxes",)
    task = "detection"
    noun = ("box", "boxes")

    def read(
        self,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> Dataset[Boxes]:
        """COCO, Pascal VOC, YOLO, CSV, CVAT, labelme, VIA, or the built-in scenes. Raises DataError."""
        from zorki.data.formats.readers import read_boxes
        from zorki.data.scenes.choose import is_scenes, scenes_of

        if is_scenes(root, format):
            from zorki.data.scenes.boxes import parse  # painted with torch, which data in files have no need of

            return scenes_of(parse, root, class_names, selection)
        return read_boxes(root, format, class_names=class_names, max_pixels=max_pixels, selection=selection)

    def augment(
        self, sample: Sample[Boxes], recipe: DetectionSettings, info: ClassInfo, generator: torch.Generator
    ) -> Sample[Boxes]:
        """Image and boxes varied together."""
        from zorki.tasks.detection.augment import augment_boxes
        from zorki.tasks.recipe_augment import augment_of

        return augment_boxes(sample, augment_of(recipe), generator, info.names)

    def mix(
        self, batch: Batch[Boxes], recipe: DetectionSettings, info: ClassInfo, generator: torch.Generator
    ) -> Batch[Boxes]:
        """Mosaic, and then MixUp, where the recipe asks for them."""
        if not (recipe.mosaic or recipe.mixup) or len(batch) < 2:
            return batch
        from zorki.tasks.detection.mosaic import mix

        return mix(batch, recipe.mosaic, recipe.mixup, generator)

    def learnable_count(self, target: Boxes) -> int:
        """How many boxes a network can learn from: neither crowds nor empty."""
        from zorki.tasks.detection.networks.detector import learnable

        return len(learnable(target))

    def configure(
        self,
        model: Model[Any, Boxes, Boxes],
        recipe: DetectionSettings,
        dataset: Dataset[Boxes],
        indices: Sequence[int],
    ) -> None:
        """Shows the training boxes, and how large the images are, to a model that `FitsToData`.

        Raises:
            RecipeError: the recipe mixes images, but the model takes regions that were found in each by itself.
        """
        if (recipe.mosaic or recipe.mixup) and isinstance(model.preprocess, Precomputes):
            from zorki.tasks.detection.mosaic import refuse_regions

            refuse_regions(recipe.mosaic, recipe.mixup, "proposed")
        if isinstance(model, FitsToData) and model.needs_fitting:
            from zorki.tasks.detection.image_sizes import image_sizes

            targets = [dataset.target(index) for index in indices]
            model.fit_to_data(targets, image_sizes(dataset, indices))

    def statistics(self, dataset: Dataset[Boxes]) -> DatasetStatistics:
        """Boxes and images a class, sizes, aspects and boxes an image, by split."""
        from zorki.tasks.detection.statistics import box_statistics

        return box_statistics(dataset)
