"""Classification: which of K classes does the image show?"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zorki.contracts import Dataset, Model, Section, Task
from zorki.contracts.capabilities import TakesCriterion
from zorki.errors import DataError, RecipeError, ZorkiError
from zorki.tasks.classification.metric import ClassificationMetric
from zorki.types import Batch, Label, Sample

if TYPE_CHECKING:
    from zorki.recipe import Recipe


IMAGENET_CLASSES = 1000


class Classification(Task[Label, Label]):
    """One label an image."""

    name = "classification"
    monitor = "top1"
    summary = "Which of K classes does the image show?"

    @classmethod
    def read(
        cls,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
    ) -> Dataset[Label]:
        """Folder per class, CSV, IDX, or the built-in scenes (`scenes:COUNT@SIZE`). Raises DataError."""
        from zorki.tasks.classification.read import read

        return read(root, format=format, class_names=class_names, max_pixels=max_pixels)

    @classmethod
    def recognize(cls, root: Path, format: str | None = None) -> str | None:
        from zorki.data import formats

        if str(root).partition(":")[0] == "scenes":
            return "scenes: built in"
        try:
            return ": ".join(formats.recognize(root, format))
        except DataError:
            return None

    def augment(self, sample: Sample[Label], recipe: Recipe, generator: torch.Generator) -> Sample[Label]:
        """The image varied; its label stays."""
        return dataclasses.replace(sample, image=recipe_augment(recipe)(sample.image, generator))

    def mix(self, batch: Batch[Label], recipe: Recipe, generator: torch.Generator) -> Batch[Label]:
        """MixUp or CutMix, where the recipe asks for one; the labels' shares go into `scores`."""
        if not (recipe.mixup or recipe.cutmix) or len(batch) < 2:
            return batch
        from zorki.data.transforms.mixing import cutmix, mix_scores, mixup

        mixed, alpha = (mixup, recipe.mixup) if recipe.mixup else (cutmix, recipe.cutmix)
        inputs, partner, share = mixed(batch.inputs, alpha, generator)
        indices = torch.tensor([target.index for target in batch.targets])
        scores = mix_scores(indices, partner, share, len(self.class_names))
        placed = [Label(int(row.argmax()), row) for row in scores]
        return dataclasses.replace(batch, inputs=inputs, placed=placed)

    def metric(self) -> ClassificationMetric:
        return ClassificationMetric(self.class_names)

    def configure(
        self, model: Model[Any, Label, Label], recipe: Recipe, dataset: Dataset[Label], indices: Sequence[int]
    ) -> None:
        """Label smoothing, and class weights N / (K n_k): a class with few images counts as much as any other.

        Raises:
            RecipeError: the recipe asks for mosaics, which have no one label, or for losses of pixels.
        """
        from zorki.losses.cross_entropy import CrossEntropy

        if recipe.mosaic:
            raise RecipeError(f"mosaic is {recipe.mosaic}, but four images in one have no one label; say --cutmix 1")
        for name in ("loss", "border_weight"):
            if getattr(recipe, name):
                raise RecipeError(
                    f"{name} is {getattr(recipe, name)}, but it is segmentation's: classifiers learn by cross-entropy; "
                    "leave it out"
                )
        weights = None
        if recipe.class_weights:
            labels = torch.tensor([dataset.target(index).index for index in indices])
            counts = torch.bincount(labels, minlength=len(self.class_names))
            weights = len(labels) / (len(self.class_names) * counts.clamp_min(1).float())
        assert isinstance(model, TakesCriterion)
        model.replace_criterion(lambda own: CrossEntropy(label_smoothing=recipe.label_smoothing, weights=weights))

    def check(self, dataset: Dataset[Label], train: Sequence[int]) -> None:
        """Two classes at least must have training images."""
        seen = {dataset.target(index).index for index in train}
        if len(seen) < 2:
            only = ", ".join(self.class_names[k] for k in sorted(seen)) or "none"
            raise DataError(
                f"{dataset.root}: only one class has training images ({only}); expected at least two. "
                "Each class needs a folder of its own, with images in it."
            )

    def baseline(self, train: Sequence[Label]) -> Label | None:
        """The class that is most frequent in training, with the training shares as scores."""
        if not train:
            return None
        counts = torch.bincount(torch.tensor([target.index for target in train]), minlength=len(self.class_names))
        return Label(int(counts.argmax()), counts / counts.sum())

    def export(self, model: Model[Any, Label, Label], path: Path, height: int, width: int) -> Path:
        """Scores of the classes; see `zorki.tasks.classification.export`."""
        from zorki.tasks.classification.classifier import Classifier
        from zorki.tasks.classification.export import export_onnx

        if not isinstance(model, Classifier):
            raise ZorkiError(f"{type(model).__name__} is no Classifier, and only those can be written as ONNX")
        return export_onnx(model, path, height, width, self.class_names)

    def balance(self, targets: Sequence[Label]) -> list[float]:
        counts = Counter(target.index for target in targets)
        return [1.0 / counts[target.index] for target in targets]

    def ensemble(self, predictions: Sequence[Label]) -> Label:
        """The mean of the probabilities."""
        scores = torch.stack([prediction.scores for prediction in predictions if prediction.scores is not None]).mean(0)
        return Label(int(scores.argmax()), scores)

    def badness(self, prediction: Label, target: Label) -> float:
        """The probability missing at the truth: near 1 is a confident error."""
        assert prediction.scores is not None
        return 1.0 - float(prediction.scores[target.index])

    def right(self, prediction: Label, target: Label) -> bool:
        return prediction.index == target.index

    def caption(self, annotation: Label) -> str:
        """The class, and its probability where there is one."""
        name = self.class_names[annotation.index]
        return name if annotation.scores is None else f"{name} {float(annotation.scores[annotation.index]):.0%}"

    @classmethod
    def names_for(cls, num_classes: int) -> list[str]:
        """ImageNet's names for 1000 classes, else the numbers."""
        if num_classes != IMAGENET_CLASSES:
            return super().names_for(num_classes)
        from torchvision.models import AlexNet_Weights

        # ImageNet has two cranes and two maillots; the second of a name gets a number.
        names: list[str] = []
        for name in AlexNet_Weights.IMAGENET1K_V1.meta["categories"]:
            names.append(name if name not in names else f"{name} 2")
        return names

    def describe(self, annotation: Label) -> dict[str, Any]:
        """Class name, and the five likeliest classes with their probabilities."""
        values: dict[str, Any] = {"label": annotation.index, "class_name": self.class_names[annotation.index]}
        if annotation.scores is not None:
            best = annotation.scores.topk(min(5, len(self.class_names)))
            values["score"] = float(annotation.scores[annotation.index])
            values["top"] = [
                {"class_name": self.class_names[k], "score": score}
                for k, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            ]
        return values

    def draw(self, image: Tensor, annotation: Label) -> Tensor:
        """The image with its class, and the probability where there is one, written under it."""
        from zorki.draw.images import caption

        return caption(image, self.caption(annotation))

    def tally(self, dataset: Dataset[Label]) -> dict[str, Any]:
        """Counts by split and class."""
        counts: dict[str, dict[str, int]] = {}
        for split, indices in dataset.splits.items():
            found = Counter(dataset.target(index).index for index in indices)
            counts[split] = {name: found.get(k, 0) for k, name in enumerate(dataset.class_names)}
        return {"classes": counts}

    def sections(self, results: Mapping[str, Any]) -> list[Section]:
        """Confusion matrix, per-class table, calibration."""
        from zorki.tasks.classification.report import sections

        return sections(results, self.class_names)


def recipe_augment(recipe: Recipe) -> Any:
    """The recipe's augmentations as one callable; kept, since it is asked for once an image."""
    key = id(recipe)
    if key not in _augments:
        from zorki.data.transforms.augment import Augment

        fields = {f.name for f in dataclasses.fields(Augment)}
        values = {name: value for name in fields if (value := getattr(recipe, name)) is not None}
        _augments.clear()
        _augments[key] = (recipe, Augment(**values))
    return _augments[key][1]


_augments: dict[int, Any] = {}
