"""Data for classification: one class an image, in folders or lists, or made as it is read."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset, TaskData
from zorki.contracts.capabilities import TakesCriterion, TakesReducedImages
from zorki.contracts.statistics import DatasetStatistics
from zorki.errors import DataError
from zorki.recipe import Recipe
from zorki.task_settings import refuse
from zorki.tasks.classification.settings import ClassificationSettings
from zorki.types import Batch, ClassInfo, Label, Sample

if TYPE_CHECKING:
    import torch

    from zorki.contracts import Model

IMAGENET_CLASSES = 1000


class ClassificationData(TaskData[Label]):
    """Images with one label each."""

    needs = ("labels",)

    def read(
        self,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> Dataset[Label]:
        """Folder per class, CSV, IDX, or the built-in scenes (`scenes:COUNT@SIZE`). Raises DataError."""
        from zorki.data.formats.readers import read_labels
        from zorki.data.scenes.choose import is_scenes, scenes_of

        if is_scenes(root, format):
            from zorki.data.scenes.dataset import parse  # painted with torch, which data in files have no need of

            return scenes_of(parse, root, class_names, selection)
        return read_labels(root, format, class_names=class_names, max_pixels=max_pixels, selection=selection)

    def augment(
        self, sample: Sample[Label], recipe: ClassificationSettings, info: ClassInfo, generator: torch.Generator
    ) -> Sample[Label]:
        """The image varied; its label stays, unless a mirrored image is of another class, as left is of right."""
        from zorki.data.transforms.flip_pairs import swapped_by_flip

        augment = recipe_augment(recipe)
        drawn = augment.draw(sample.image.shape[1], sample.image.shape[2], generator)
        target, swapped = sample.target, swapped_by_flip(info.names) if drawn.mirrors else None
        if swapped is not None:
            target = Label(swapped[target.index])
        return dataclasses.replace(sample, image=augment.vary(sample.image, drawn, generator), target=target)

    def mix(
        self, batch: Batch[Label], recipe: ClassificationSettings, info: ClassInfo, generator: torch.Generator
    ) -> Batch[Label]:
        """MixUp or CutMix, where the recipe asks for one; the labels' shares go into `scores`."""
        import torch

        if not (recipe.mixup or recipe.cutmix) or len(batch) < 2:
            return batch
        from zorki.data.transforms.mixing import cutmix, mix_scores, mixup

        mixed, alpha = (mixup, recipe.mixup) if recipe.mixup else (cutmix, recipe.cutmix)
        inputs, partner, share = mixed(batch.inputs, alpha, generator)
        indices = torch.tensor([target.index for target in batch.targets])
        scores = mix_scores(indices, partner, share, len(info))
        placed = [Label(int(row.argmax()), row) for row in scores]
        return dataclasses.replace(batch, inputs=inputs, placed=placed)

    def check(self, dataset: Dataset[Label], train: Sequence[int]) -> None:
        """Two classes at least must have training images."""
        seen = {dataset.target(index).index for index in train}
        if len(seen) < 2:
            only = ", ".join(dataset.class_names[k] for k in sorted(seen)) or "none"
            raise DataError(
                f"{dataset.root}: only one class has training images ({only}); expected at least two. "
                "Each class needs a folder of its own, with images in it."
            )

    def sampling_weights(self, targets: Sequence[Label], info: ClassInfo) -> list[float]:
        counts = Counter(target.index for target in targets)
        return [1.0 / counts[target.index] for target in targets]

    def configure(
        self,
        model: Model[Any, Label, Label],
        recipe: ClassificationSettings,
        dataset: Dataset[Label],
        indices: Sequence[int],
    ) -> None:
        """Label smoothing, and class weights N / (K n_k): a class with few images counts as much as any other.

        And `reduced_jpeg`, which the preprocessing keeps from here on.
        """
        import torch

        from zorki.losses.cross_entropy import CrossEntropy

        if recipe.reduced_jpeg:
            if not isinstance(model.preprocess, TakesReducedImages):
                refuse("reduced_jpeg", True, "this network takes images as they are")
            model.restore_preprocess(model.preprocess.reduced())
        weights = None
        if recipe.class_weights:
            num_classes = len(dataset.class_names)
            labels = torch.tensor([dataset.target(index).index for index in indices])
            counts = torch.bincount(labels, minlength=num_classes)
            weights = len(labels) / (num_classes * counts.clamp_min(1).float())
        assert isinstance(model, TakesCriterion)
        model.replace_criterion(lambda own: CrossEntropy(label_smoothing=recipe.label_smoothing, weights=weights))

    def statistics(self, dataset: Dataset[Label]) -> DatasetStatistics:
        """Images by split and class."""
        counts: dict[str, list[int]] = {}
        for split, indices in dataset.splits.items():
            found = Counter(dataset.target(index).index for index in indices)
            counts[split] = [found.get(label, 0) for label in range(len(dataset.class_names))]
        return DatasetStatistics(dataset.class_names, counts)

    def default_classes(self, num_classes: int) -> ClassInfo:
        """ImageNet's names for 1000 classes, else the numbers."""
        if num_classes != IMAGENET_CLASSES:
            return super().default_classes(num_classes)
        from torchvision.models import AlexNet_Weights

        # ImageNet has two cranes and two maillots; the second of a name gets a number.
        names: list[str] = []
        for name in AlexNet_Weights.IMAGENET1K_V1.meta["categories"]:
            names.append(name if name not in names else f"{name} 2")
        return ClassInfo(tuple(names))


def recipe_augment(recipe: Recipe) -> Any:
    """The recipe's augmentations as one callable; kept, since it is asked for once an image."""
    key = id(recipe)
    if key not in _augments:
        from zorki.data.transforms.augment import Augment

        fields = {f.name for f in dataclasses.fields(Augment)}
        values = {name: value for name in fields if (value := getattr(recipe, name, None)) is not None}
        _augments.clear()
        _augments[key] = (recipe, Augment(**values))
    return _augments[key][1]


_augments: dict[int, Any] = {}
