"""Instance segmentation: which objects are in the image, and which pixels are of each?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from zorki.contracts import Dataset, Model, Task
from zorki.contracts.capabilities import TakesCriterion, WeighsBorders
from zorki.tasks.detection.object_task import refuse_settings
from zorki.tasks.instance_segmentation.data import InstanceData
from zorki.tasks.instance_segmentation.evaluation import InstanceEvaluation
from zorki.tasks.instance_segmentation.presentation import InstancePresentation
from zorki.types import Instances

if TYPE_CHECKING:
    from zorki.recipe import Recipe

REFUSED = {
    "mixup": "a pixel of a blend is of no one object; --elastic and --brightness vary images",
    "cutmix": "parts of other images come without their masks; --random-crop and --cutout vary images",
    "mosaic": "parts of other images come without their masks; --random-crop and --scale-jitter vary images",
    "class_weights": "--class-balanced draws images with rare classes more often",
    "label_smoothing": "leave it out",
    "loss": "their losses belong to their methods; leave it out",
    "border_weight": "leave it out",
}
"""Settings of recipes that mean nothing here, unless a model takes them, and what to do instead."""


class InstanceSegmentation(Task[Instances, Instances]):
    """Masks with boxes, classes and scores."""

    name = "instance_segmentation"
    monitor = "mask_ap"
    summary = "Which pixels are of which object? A mask, a box, a class and a score for every object."
    data = InstanceData()
    evaluation = InstanceEvaluation()
    presentation = InstancePresentation()

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


def _named_loss(name: str, own: nn.Module) -> nn.Module:
    """The loss of that name, with the ignore index of the model's own, and its class weights where it takes any."""
    from zorki.losses.pixels import PixelLoss

    assert isinstance(own, PixelLoss)
    named = PixelLoss.of(name, ignore=own.ignore)
    weights = own.class_weights if named.weighs_pixels else None
    return PixelLoss(named.terms, ignore=own.ignore, class_weights=weights)
