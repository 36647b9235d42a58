"""Instance segmentation: which objects are in the image, and which pixels are of each?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from zorki.contracts import Dataset, Model, Results, Section
from zorki.contracts.capabilities import TakesCriterion, WeighsBorders
from zorki.errors import DataError
from zorki.tasks.detection.object_task import ObjectTask, refuse_settings
from zorki.tasks.instance_segmentation.metrics.metric import InstanceMetric
from zorki.types import Instances, Sample

if TYPE_CHECKING:
    from zorki.recipe import Recipe

REFUSED = {
    "mixup": "a pixel of a blend is of no one object; --elastic and --brightness vary images",
    "cutmix": "parts of other images come without their masks; --crop and --obstruct vary images",
    "mosaic": "parts of other images come without their masks; --crop and --rescale vary images",
    "class_weights": "--balanced draws images with rare classes more often",
    "label_smoothing": "leave it out",
    "loss": "their losses belong to their methods; leave it out",
    "border_weight": "leave it out",
}
"""Settings of recipes that mean nothing here, unless a model takes them, and what to do instead."""


class InstanceSegmentation(ObjectTask[Instances]):
    """Masks with boxes, classes and scores."""

    name = "instance_segmentation"
    monitor = "mask_ap"
    headline = ("mask_ap", "mask_ap50")
    summary = "Which pixels are of which object? A mask, a box, a class and a score for every object."
    exchanges_facts = True

    @classmethod
    def read(
        cls,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
    ) -> Dataset[Instances]:
        """Images with masks of objects, in any format of `zorki.data.formats.OUTLINED`, or the built-in scenes.

        Raises:
            DataError: nothing is there, or the format is not recognized.
        """
        from zorki.tasks.instance_segmentation.read import read

        return read(root, format=format, class_names=class_names, max_pixels=max_pixels)

    @classmethod
    def recognize(cls, root: Path, format: str | None = None) -> str | None:
        from zorki.data import formats

        try:
            return ": ".join(formats.recognize(root, format, allowed=formats.OUTLINED))
        except DataError:
            return None

    def augment(self, sample: Sample[Instances], recipe: Recipe, generator: torch.Generator) -> Sample[Instances]:
        """Image and masks varied together."""
        from zorki.tasks.instance_segmentation.augment import augment_instances
        from zorki.tasks.recipe_augment import augment_of

        return augment_instances(sample, augment_of(recipe), generator)

    def metric(self) -> InstanceMetric:
        """Maps of objects are judged from the score on that a run found on validation, else from the best one here."""
        return InstanceMetric(self.class_names, min_score=self.found_score)

    @classmethod
    def recognize_answers(cls, predictions: Path, data: Path, format: str | None = None) -> str | None:
        from zorki.tasks.detection.prediction_files.kind import holds_masks

        return "masks of objects" if holds_masks(predictions, data, format) else None

    @classmethod
    def judge_file(
        cls, predictions: Path, data: Path, *, split: str | None = None, format: str | None = None
    ) -> Results:
        """Masks in COCO's results format. Raises DataError."""
        from zorki.tasks.instance_segmentation.prediction_files.evaluate import judge_file

        return judge_file(predictions, data, split=split, format=format)

    def configure(
        self,
        model: Model[Any, Instances, Instances],
        recipe: Recipe,
        dataset: Dataset[Instances],
        indices: Sequence[int],
    ) -> None:
        """Hands the recipe's loss and weight of borders to a model that takes them, and refuses what means nothing.

        Raises:
            RecipeError: the recipe asks for what the model does not have.
        """
        taken = {"loss": isinstance(model, TakesCriterion), "border_weight": isinstance(model, WeighsBorders)}
        refused = {name: why for name, why in REFUSED.items() if not taken.get(name)}
        refuse_settings(recipe, refused, "networks for masks of objects")
        if isinstance(model, TakesCriterion) and recipe.loss is not None:
            named = recipe.loss
            model.replace_criterion(lambda own: _named_loss(named, own))
        if isinstance(model, WeighsBorders):
            model.weigh_borders(recipe.border_weight)

    def learnable_count(self, target: Instances) -> int:
        """How many objects a network can learn from: neither crowds nor without a pixel."""
        seen = target.masks.flatten(1).any(1)
        return int((seen if target.crowd is None else seen & ~target.crowd).sum())

    def ensemble(self, predictions: Sequence[Instances]) -> Instances:
        """Masks that several models agree on; see `fuse_masks`."""
        from zorki.tasks.instance_segmentation.fusion import fuse_masks

        return fuse_masks(predictions)

    def badness(self, prediction: Instances, target: Instances) -> float:
        """1 less the F1 of the masks that are shown, in which a mask counts as far as it fits; see `Judged.quality`."""
        from zorki.tasks.instance_segmentation.metrics.image_match import judge_masks

        return 1.0 - judge_masks(self.shown(prediction), target).quality()

    def describe(self, annotation: Instances) -> dict[str, Any]:
        """Every object with its class's name, box, score, mask as COCO's run lengths, its area and its marks."""
        from zorki.tasks.instance_segmentation.prediction_files.coco_results import columns_of

        return self.describe_rows(annotation, columns_of(annotation))

    def attach(self, annotation: Instances, place: Callable[[str, str], Path]) -> dict[str, Any]:
        """Writes the shown objects as a PNG of 16 bits: in each pixel the object's number in `describe`, from 1 on."""
        from zorki.tasks.instance_segmentation.object_map import object_map, write_object_map

        path = place("masks", ".png")
        write_object_map(path, object_map(annotation, self.show_score))
        return {"mask": path}

    def exchange(self, answers: Sequence[Any]) -> list[dict[str, Any]]:
        """COCO's results format, with boxes and with masks as run lengths, all objects of all images in one list."""
        from zorki.tasks.detection.prediction_files.coco_results import numbers_of
        from zorki.tasks.instance_segmentation.prediction_files.coco_results import results_of

        numbers = self.category_ids or numbers_of(self.class_names)
        return [entry for one in answers for entry in results_of(one, self.class_names, numbers)]

    def draw(self, image: Tensor, annotation: Instances) -> Tensor:
        """The image with its objects tinted; of an answer those that score `show_score` or more."""
        from zorki.tasks.instance_segmentation.drawing import draw_instances

        return draw_instances(image, self.shown(annotation), self.class_names)

    def thumbnail(self, image: Tensor, annotation: Instances, truth: Instances | None = None) -> Tensor:
        """The image with its objects, `thumbnail_side` pixels long; beside the truth also what was missed."""
        from zorki.tasks.instance_segmentation.drawing import thumbnail

        return thumbnail(image, self.shown(annotation), truth, self.thumbnail_side)

    def tally(self, dataset: Dataset[Instances]) -> dict[str, Any]:
        """Objects and images a class, areas and objects an image, by split."""
        from zorki.tasks.instance_segmentation.statistics import tally_instances

        return tally_instances(dataset)

    def sections(self, results: Mapping[str, Any]) -> list[Section]:
        """Precision and recall, counts, maps of objects, classes and errors."""
        from zorki.tasks.instance_segmentation.report import sections

        return sections(results, self.class_names)


def _named_loss(name: str, own: nn.Module) -> nn.Module:
    """The loss of that name, with the ignore index of the model's own, and its class weights where it takes any."""
    from zorki.losses.pixels import PixelLoss

    assert isinstance(own, PixelLoss)
    named = PixelLoss.of(name, ignore=own.ignore)
    weights = own.class_weights if named.weighs_pixels else None
    return PixelLoss(named.terms, ignore=own.ignore, class_weights=weights)
