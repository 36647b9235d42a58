"""Data for semantic segmentation: images with a class for every pixel."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset, Targets, TaskData
from zorki.contracts.capabilities import TakesCriterion
from zorki.contracts.statistics import DatasetStatistics
from zorki.errors import DataError
from zorki.tasks.semantic_segmentation.settings import SegmentationSettings
from zorki.types import ClassInfo, Mask, Sample

if TYPE_CHECKING:
    import torch

    from zorki.contracts import Model

FEW = 32  # masks looked at before it is asked whether they are enough


class SegmentationData(TaskData[Mask]):
    """Images with masks."""

    needs = ("masks",)
    usual_classes = 21  # Pascal VOC's, with its background

    def read(
        self,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> Dataset[Mask]:
        """Images with masks, in any format that provides masks or instances, or the built-in scenes.

        Raises:
            DataError: nothing is there, or the format is not recognized.
        """
        from zorki.data.formats.readers import read_masks
        from zorki.data.scenes.choose import is_scenes, scenes_of

        if is_scenes(root, format):
            from zorki.data.scenes.masks import parse  # painted with torch, which data in files have no need of

            return scenes_of(parse, root, class_names, selection)
        return read_masks(root, format, class_names=class_names, max_pixels=max_pixels, selection=selection)

    def augment(
        self, sample: Sample[Mask], recipe: SegmentationSettings, info: ClassInfo, generator: torch.Generator
    ) -> Sample[Mask]:
        """Image and mask varied together; the mask gets weights of its borders where the recipe asks for them."""
        from zorki.tasks.recipe_augment import augment_of
        from zorki.tasks.semantic_segmentation.augment import augment_mask, weigh_borders

        return weigh_borders(augment_mask(sample, augment_of(recipe), generator, info.names), recipe.border_weight)

    def check(self, dataset: Dataset[Mask], train: Sequence[int]) -> None:
        """The training masks must show two classes at least."""
        import numpy as np

        from zorki.tasks.semantic_segmentation.statistics import count_pixels

        names = dataset.class_names
        seen = np.zeros(len(names), bool)
        for start in range(0, len(train), FEW):
            few = Targets(dataset, train[start : start + FEW])
            seen |= (count_pixels(few, len(seen))[:, :-1] > 0).any(0)
            if int(seen.sum()) > 1:
                return
        only = ", ".join(names[label] for label in np.flatnonzero(seen)) or "none"
        raise DataError(
            f"{dataset.root}: the masks of {len(train)} training images show only one class ({only}); expected two "
            "at least. See with `zorki show` how the masks were read"
        )

    def has_ground_truth(self, dataset: Dataset[Mask], indices: Sequence[int]) -> bool:
        """Whether any of the masks has a pixel that is not ignored."""
        return any(bool((mask.classes != mask.ignore).any()) for mask in Targets(dataset, indices).readable())

    def sampling_weights(self, targets: Sequence[Mask], info: ClassInfo) -> list[float]:
        """Images that show rare classes are drawn more often; see `balance_weights`."""
        from zorki.tasks.semantic_segmentation.statistics import balance_weights, count_pixels

        return balance_weights(count_pixels(targets, len(info))[:, :-1]).tolist()

    def configure(
        self,
        model: Model[Any, Mask, Mask],
        recipe: SegmentationSettings,
        dataset: Dataset[Mask],
        indices: Sequence[int],
    ) -> None:
        """The loss that the recipe names, else the model's own, with weights of classes and label smoothing.

        Raises:
            RecipeError: the loss is not known, or has no such setting.
        """
        from zorki.tasks.semantic_segmentation.criterion import class_weights_of, criterion_of

        assert isinstance(model, TakesCriterion)
        classes = len(dataset.class_names)
        model.replace_criterion(
            lambda own: criterion_of(recipe, own, lambda: class_weights_of(dataset, indices, classes))
        )

    def statistics(self, dataset: Dataset[Mask]) -> DatasetStatistics:
        """Pixels and images a class, and what is ignored, by split."""
        from zorki.tasks.semantic_segmentation.statistics import mask_statistics

        return mask_statistics(dataset)

    def complete(self, info: ClassInfo) -> ClassInfo:
        """With the labels of classes that are called as backgrounds are, and the ignore index."""
        from zorki.tasks.semantic_segmentation.class_names import background_labels

        return dataclasses.replace(info, background=tuple(background_labels(info.names)), ignore=Mask.ignore)

    def default_classes(self, num_classes: int) -> ClassInfo:
        """Pascal VOC's names for 21 classes, Cityscapes' for 19, else the numbers."""
        from zorki.tasks.semantic_segmentation.class_names import standard_names

        names = standard_names(num_classes)
        return self.complete(super().default_classes(num_classes) if names is None else ClassInfo(tuple(names)))
