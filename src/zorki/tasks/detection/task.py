"""Detection: what is where? A box, a class and a score for every object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zorki.contracts import Dataset, Model, Prepares, Results, Section, Task
from zorki.errors import DataError, RecipeError, ZorkiError
from zorki.tasks.detection.metrics import DetectionMetric
from zorki.types import Batch, Boxes, Sample

if TYPE_CHECKING:
    from zorki.recipe import Recipe

SHOWN_SCORE = 0.5  # answers below are not drawn, until a run says which threshold serves it best


class Detection(Task[Boxes, Boxes]):
    """Boxes with classes and scores."""

    name = "detection"
    monitor = "ap"
    headline = ("ap", "ap50")
    usual_classes = 80  # COCO's
    summary = "What is where? A box, a class and a score for every object."
    thumbnail_side = 224

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__(class_names)
        self.show_score = SHOWN_SCORE
        self.category_ids: list[int] | None = None  # None: those of `numbers_of`

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
    def recognise(cls, root: Path, format: str | None = None) -> str | None:
        from zorki.data import formats

        try:
            return ": ".join(formats.recognise(root, format, allowed=formats.BOXED))
        except DataError:
            return None

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

    @classmethod
    def judge_file(
        cls, predictions: Path, data: Path, *, split: str | None = None, format: str | None = None
    ) -> Results:
        """Detections in COCO's results format. Raises DataError."""
        from zorki.tasks.detection.judge_file import judge_file

        return judge_file(predictions, data, split=split, format=format)

    def configure(
        self, model: Model[Any, Boxes, Boxes], recipe: Recipe, dataset: Dataset[Boxes], indices: Sequence[int]
    ) -> None:
        """Shows the training boxes, and how large the pictures are, to a model that `fits_anchors` to them.

        Raises:
            RecipeError: the recipe asks for what detectors, or this one, do not have.
        """
        refuse_settings(recipe)
        if (recipe.mosaic or recipe.mixup) and isinstance(model.preprocess, Prepares):
            from zorki.tasks.detection.mosaic import refuse_regions

            refuse_regions(recipe.mosaic, recipe.mixup, "proposed")
        if getattr(model, "fits_anchors", False):
            from zorki.tasks.detection.picture_sizes import picture_sizes

            targets = [dataset.target(index) for index in indices]
            model.fit_anchors(targets, picture_sizes(dataset, indices))  # type: ignore[operator]

    def check(self, dataset: Dataset[Boxes], train: Sequence[int]) -> None:
        """One training picture at least must have a box that can be learnt."""
        if any(learnable_count(dataset.target(index)) for index in train):
            return
        raise DataError(
            f"{dataset.root}: none of the {len(train)} training pictures has a box; expected boxes in some of them. "
            "See with `zorki show` how the annotations were read, and whether their boxes were left out as defects."
        )

    def export(self, model: Model[Any, Boxes, Boxes], path: Path, height: int, width: int) -> Path:
        """Boxes, scores and labels, of detectors of one stage; see `zorki.tasks.detection.export`."""
        from zorki.tasks.detection.detector import Detector
        from zorki.tasks.detection.export import export_onnx

        if not isinstance(model, Detector):
            raise ZorkiError(f"{type(model).__name__} is no Detector, and only those can be written as ONNX")
        return export_onnx(model, path, height, width, self.class_names)

    def balance(self, targets: Sequence[Boxes]) -> list[float]:
        """The inverse of how many pictures show a class, for the rarest class of a picture; 1 / N without objects."""
        shown = [set(target.labels.tolist()) for target in targets]
        counts = torch.zeros(max(1, len(self.class_names)), dtype=torch.int64)
        for labels in shown:
            counts[list(labels)] += 1
        bare = 1.0 / max(1, len(targets))
        return [max((1.0 / int(counts[label]) for label in labels), default=bare) for labels in shown]

    def ensemble(self, predictions: Sequence[Boxes]) -> Boxes:
        """Weighted boxes fusion (Solovyev et al., 2021)."""
        from zorki.tasks.detection.fusion import fuse

        return fuse(predictions)

    def badness(self, prediction: Boxes, target: Boxes) -> float:
        """1 less the F1 of the boxes that are shown, in which a box counts as far as it fits; see `Judged.quality`."""
        from zorki.tasks.detection.judging import judge_boxes

        return 1.0 - judge_boxes(self.shown(prediction), target).quality()

    def caption(self, annotation: Boxes) -> str:
        """How many of which class, the most frequent first: "3 RBC, 1 WBC"."""
        counts = Counter(self.shown(annotation).labels.tolist())
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count} {self.class_names[label]}" for label, count in ranked) or "nothing"

    @classmethod
    def names_for(cls, num_classes: int) -> list[str]:
        """COCO's names for 80, 90 or 91 classes, else the numbers."""
        from zorki.tasks.detection.names import coco_names

        return coco_names(num_classes) or super().names_for(num_classes)

    def describe(self, annotation: Boxes) -> dict[str, Any]:
        """Every box, in xyxy pixels, with its class's name, its score and its marks; and how many are shown."""
        columns = {
            "score" if name == "scores" else name: values
            for name, values in annotation.to_json().items()
            if name != "labels"
        }
        rows = [
            {"label": label, "class_name": self.class_names[label], **{name: columns[name][row] for name in columns}}
            for row, label in enumerate(annotation.labels.tolist())
        ]
        described: dict[str, Any] = {"boxes": rows}
        if annotation.scores is not None:
            described |= {"threshold": self.show_score, "shown": len(self.shown(annotation))}
        return described

    def exchange(self, answers: Sequence[Any]) -> list[dict[str, Any]]:
        """COCO's results format, all boxes of all pictures in one list."""
        from zorki.tasks.detection.results_file import numbers_of, to_results

        numbers = self.category_ids or numbers_of(self.class_names)
        each = [to_results(one.prediction, one.source, self.class_names, numbers, frame=one.frame) for one in answers]
        return [entry for entries in each for entry in entries]

    def remember(self, dataset: Dataset[Boxes]) -> dict[str, Any]:
        """The numbers of the classes, where the data have numbers of their own, as COCO's files do."""
        numbers = getattr(dataset, "category_ids", None)
        if numbers is None or getattr(dataset, "image_ids", None) is None:  # made up by the reader
            return {}
        return {"category_ids": list(numbers)}

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Answers are exchanged with the numbers of the training data's classes from now on."""
        numbers = facts.get("category_ids")
        self.category_ids = list(numbers) if numbers and len(numbers) == len(self.class_names) else None

    def adopt(self, results: Mapping[str, Any]) -> None:
        """Shows from now on what scores at least the threshold of the best F1 on validation, else on another split."""
        for split in ("val", *results):
            best = results.get(split, {}).get("figures", {}).get("best_threshold")
            if best is not None:
                self.show_score = float(best)
                return

    def draw(self, image: Tensor, annotation: Boxes) -> Tensor:
        """The picture with its boxes; of an answer those that score `show_score` or more."""
        from zorki.tasks.detection.drawing import draw_boxes

        return draw_boxes(image, self.shown(annotation), self.class_names)

    def thumbnail(self, image: Tensor, annotation: Boxes, truth: Boxes | None = None) -> Tensor:
        """The picture with its boxes, `thumbnail_side` pixels long; beside the truth also what was missed."""
        from zorki.tasks.detection.drawing import thumbnail

        return thumbnail(image, self.shown(annotation), truth, self.class_names, self.thumbnail_side)

    def shown(self, annotation: Boxes) -> Boxes:
        """The boxes for a person: all of the truth, and of an answer those that score `show_score` or more."""
        return annotation if annotation.scores is None else annotation[annotation.scores >= self.show_score]

    def tally(self, dataset: Dataset[Boxes]) -> dict[str, Any]:
        """Boxes and pictures a class, sizes, aspects and boxes a picture, by split."""
        from zorki.tasks.detection.counting import tally_boxes

        return tally_boxes(dataset)

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
