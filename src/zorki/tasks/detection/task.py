"""Detection: what is where? A box, a class and a score for every object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zorki.contracts import Dataset, Model, Section, Task
from zorki.errors import DataError, RecipeError
from zorki.tasks.detection.metrics import DetectionMetric
from zorki.types import Batch, Boxes, Sample

if TYPE_CHECKING:
    from zorki.recipe import Recipe

SHOWN_SCORE = 0.5  # answers below are not drawn, until a run says which threshold serves it best


class Detection(Task[Boxes, Boxes]):
    """Boxes with classes and scores."""

    name = "detection"
    monitor = "ap50"
    headline = ("ap", "ap50")
    summary = "What is where? A box, a class and a score for every object."

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__(class_names)
        self.show_score = SHOWN_SCORE

    @classmethod
    def read(
        cls,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
    ) -> Dataset[Boxes]:
        """COCO, Pascal VOC, YOLO, CSV, CVAT, labelme, VIA, or the built-in scenes. Raises DataError."""
        from zorki.tasks.detection.read import read

        return read(root, format=format, class_names=class_names, max_pixels=max_pixels)

    def augment(self, sample: Sample[Boxes], recipe: Recipe, generator: torch.Generator) -> Sample[Boxes]:
        """Picture and boxes varied together."""
        from zorki.tasks.detection.augment import augment_boxes, augment_of

        return augment_boxes(sample, augment_of(recipe), generator)

    def mix(self, batch: Batch[Boxes], recipe: Recipe, generator: torch.Generator) -> Batch[Boxes]:
        """Mosaic, and then MixUp, where the recipe asks for them."""
        if not (recipe.mosaic or recipe.mixup) or len(batch) < 2:
            return batch
        from zorki.tasks.detection.mosaic import mix

        return mix(batch, recipe.mosaic, recipe.mixup, generator)

    def metric(self) -> DetectionMetric:
        return DetectionMetric(self.class_names)

    def configure(self, model: Model[Any, Boxes, Boxes], recipe: Recipe, targets: Sequence[Boxes]) -> None:
        """Shows the training boxes to a model that fits its anchors to them (`fit_anchors`).

        Raises:
            RecipeError: the recipe asks for what detectors do not have.
        """
        refuse_settings(recipe)
        fit = getattr(model, "fit_anchors", None)
        if fit is not None:
            fit(targets)

    def check(self, dataset: Dataset[Boxes], train: Sequence[int]) -> None:
        """One training picture at least must have a box that can be learnt."""
        if any(learnable_count(dataset.target(index)) for index in train):
            return
        raise DataError(
            f"{dataset.root}: none of the {len(train)} training pictures has a box; expected boxes in some of them. "
            "See with `zorki show` how the annotations were read, and whether their boxes were left out as defects."
        )

    def balance(self, targets: Sequence[Boxes]) -> list[float]:
        """The inverse of how many pictures show a class, for the rarest class of a picture; 1 / N without objects."""
        shown = [set(target.labels.tolist()) for target in targets]
        counts = torch.zeros(max(1, len(self.class_names)), dtype=torch.int64)
        for labels in shown:
            counts[list(labels)] += 1
        bare = 1.0 / max(1, len(targets))
        return [max((1.0 / int(counts[label]) for label in labels), default=bare) for labels in shown]

    def draw(self, image: Tensor, annotation: Boxes) -> Tensor:
        """The picture with its boxes; of an answer those that score `show_score` or more."""
        from zorki.tasks.detection.drawing import draw_boxes

        return draw_boxes(image, self.shown(annotation), self.class_names)

    def shown(self, annotation: Boxes) -> Boxes:
        """The boxes for a person: all of the truth, and of an answer those that score `show_score` or more."""
        return annotation if annotation.scores is None else annotation[annotation.scores >= self.show_score]

    def sections(self, results: Mapping[str, Any]) -> list[Section]:
        """Precision and recall, classes, sizes and errors."""
        from zorki.tasks.detection.report import sections

        return sections(results, self.class_names)


def learnable_count(target: Boxes) -> int:
    """How many boxes a network can learn from: neither crowds nor empty."""
    from zorki.tasks.detection.detector import learnable

    return len(learnable(target))


def refuse_settings(recipe: Recipe) -> None:
    """Raises RecipeError where a recipe asks for what belongs to pictures with one label."""
    for name, instead in {
        "class_weights": "--balanced draws pictures with rare classes more often",
        "label_smoothing": "leave it out",
        "cutmix": "--mosaic joins pictures for detection",
    }.items():
        if getattr(recipe, name):
            raise RecipeError(f"{name} is {getattr(recipe, name)}, but detectors have no such setting; {instead}")
