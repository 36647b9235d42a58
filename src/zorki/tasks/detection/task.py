"""Detection: what is where? A box, a class and a score for every object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zorki.contracts import Dataset, Model, Results, Section
from zorki.contracts.capabilities import FitsToData, Precomputes
from zorki.errors import DataError, ZorkiError
from zorki.tasks.detection.metrics.metric import DetectionMetric
from zorki.tasks.detection.object_task import ObjectTask, refuse_settings
from zorki.types import Batch, Boxes, Sample

if TYPE_CHECKING:
    from zorki.recipe import Recipe

REFUSED = {
    "class_weights": "--balanced draws images with rare classes more often",
    "label_smoothing": "leave it out",
    "cutmix": "--mosaic joins images for detection",
    "loss": "it is segmentation's, and detectors have losses of their own; leave it out",
    "border_weight": "it is segmentation's; leave it out",
    "elastic": "boxes cannot follow an image that is bent; --rotate and --rescale vary shapes for detection",
}
"""Settings of recipes that belong to images with one label or to masks, and what to do instead."""


class Detection(ObjectTask[Boxes]):
    """Boxes with classes and scores."""

    name = "detection"
    monitor = "ap"
    headline = ("ap", "ap50")
    summary = "What is where? A box, a class and a score for every object."
    noun = ("box", "boxes")

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

    @classmethod
    def recognize(cls, root: Path, format: str | None = None) -> str | None:
        from zorki.data import formats

        try:
            return ": ".join(formats.recognize(root, format, allowed=formats.BOXED))
        except DataError:
            return None

    def augment(self, sample: Sample[Boxes], recipe: Recipe, generator: torch.Generator) -> Sample[Boxes]:
        """Image and boxes varied together."""
        from zorki.tasks.detection.augment import augment_boxes
        from zorki.tasks.recipe_augment import augment_of

        return augment_boxes(sample, augment_of(recipe), generator)

    def mix(self, batch: Batch[Boxes], recipe: Recipe, generator: torch.Generator) -> Batch[Boxes]:
        """Mosaic, and then MixUp, where the recipe asks for them."""
        if not (recipe.mosaic or recipe.mixup) or len(batch) < 2:
            return batch
        from zorki.tasks.detection.mosaic import mix

        return mix(batch, recipe.mosaic, recipe.mixup, generator)

    def metric(self) -> DetectionMetric:
        return DetectionMetric(self.class_names)

    @classmethod
    def recognize_answers(cls, predictions: Path, data: Path, format: str | None = None) -> str | None:
        from zorki.tasks.detection.prediction_files.kind import holds_masks

        return None if holds_masks(predictions, data, format) else "boxes"

    @classmethod
    def judge_file(
        cls, predictions: Path, data: Path, *, split: str | None = None, format: str | None = None
    ) -> Results:
        """Detections in COCO's results format. Raises DataError."""
        from zorki.tasks.detection.prediction_files.evaluate import judge_file

        return judge_file(predictions, data, split=split, format=format)

    def configure(
        self, model: Model[Any, Boxes, Boxes], recipe: Recipe, dataset: Dataset[Boxes], indices: Sequence[int]
    ) -> None:
        """Shows the training boxes, and how large the images are, to a model that `FitsToData`.

        Raises:
            RecipeError: the recipe asks for what detectors, or this one, do not have.
        """
        refuse_settings(recipe, REFUSED, "detectors")
        if (recipe.mosaic or recipe.mixup) and isinstance(model.preprocess, Precomputes):
            from zorki.tasks.detection.mosaic import refuse_regions

            refuse_regions(recipe.mosaic, recipe.mixup, "proposed")
        if isinstance(model, FitsToData) and model.wants_fitting:
            from zorki.tasks.detection.image_sizes import image_sizes

            targets = [dataset.target(index) for index in indices]
            model.fit_to_data(targets, image_sizes(dataset, indices))

    def learnable_count(self, target: Boxes) -> int:
        """How many boxes a network can learn from: neither crowds nor empty."""
        from zorki.tasks.detection.detector import learnable

        return len(learnable(target))

    def export(self, model: Model[Any, Boxes, Boxes], path: Path, height: int, width: int) -> Path:
        """Boxes, scores and labels, of detectors of one stage; see `zorki.tasks.detection.export`."""
        from zorki.tasks.detection.detector import Detector
        from zorki.tasks.detection.export import export_onnx

        if not isinstance(model, Detector):
            raise ZorkiError(f"{type(model).__name__} is no Detector, and only those can be written as ONNX")
        return export_onnx(model, path, height, width, self.class_names)

    def ensemble(self, predictions: Sequence[Boxes]) -> Boxes:
        """Weighted boxes fusion (Solovyev et al., 2021)."""
        from zorki.tasks.detection.fusion import fuse

        return fuse(predictions)

    def badness(self, prediction: Boxes, target: Boxes) -> float:
        """1 less the F1 of the boxes that are shown, in which a box counts as far as it fits; see `Judged.quality`."""
        from zorki.tasks.detection.metrics.image_match import judge_boxes

        return 1.0 - judge_boxes(self.shown(prediction), target).quality()

    def describe(self, annotation: Boxes) -> dict[str, Any]:
        """Every box, in xyxy pixels, with its class's name, its score and its marks; and how many are shown."""
        columns = {
            "score" if name == "scores" else name: values
            for name, values in annotation.to_json().items()
            if name != "labels"
        }
        return self.describe_rows(annotation, columns)

    def exchange(self, answers: Sequence[Any]) -> list[dict[str, Any]]:
        """COCO's results format, all boxes of all images in one list."""
        from zorki.tasks.detection.prediction_files.coco_results import numbers_of, to_results

        numbers = self.category_ids or numbers_of(self.class_names)
        each = [to_results(one.prediction, one.source, self.class_names, numbers, frame=one.frame) for one in answers]
        return [entry for entries in each for entry in entries]

    def draw(self, image: Tensor, annotation: Boxes) -> Tensor:
        """The image with its boxes; of an answer those that score `show_score` or more."""
        from zorki.tasks.detection.drawing import draw_boxes

        return draw_boxes(image, self.shown(annotation), self.class_names)

    def thumbnail(self, image: Tensor, annotation: Boxes, truth: Boxes | None = None) -> Tensor:
        """The image with its boxes, `thumbnail_side` pixels long; beside the truth also what was missed."""
        from zorki.tasks.detection.drawing import thumbnail

        return thumbnail(image, self.shown(annotation), truth, self.class_names, self.thumbnail_side)

    def tally(self, dataset: Dataset[Boxes]) -> dict[str, Any]:
        """Boxes and images a class, sizes, aspects and boxes an image, by split."""
        from zorki.tasks.detection.statistics import tally_boxes

        return tally_boxes(dataset)

    def sections(self, results: Mapping[str, Any]) -> list[Section]:
        """Precision and recall, classes, sizes and errors."""
        from zorki.tasks.detection.report import sections

        return sections(results, self.class_names)
