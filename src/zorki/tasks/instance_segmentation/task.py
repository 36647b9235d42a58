"""Instance segmentation: which objects are in the image, and which pixels are of each?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from zorki.contracts import Dataset, Model, Task
from zorki.contracts.capabilities import TakesCriterion, WeighsBorders
from zorki.task_settings import refuse
from zorki.tasks.instance_segmentation.data import InstanceData
from zorki.tasks.instance_segmentation.evaluation import InstanceEvaluation
from zorki.tasks.instance_segmentation.presentation import InstancePresentation
from zorki.tasks.instance_segmentation.settings import InstanceSettings
from zorki.types import Instances


class InstanceSegmentation(Task[Instances, Instances]):
    """Masks with boxes, classes and scores."""

    name = "instance_segmentation"
    monitor = "mask_ap"
    summary = "Which pixels are of which object? A mask, a box, a class and a score for every object."
    settings = InstanceSettings
    data = InstanceData()
    evaluation = InstanceEvaluation()
    presentation = InstancePresentation()

    def configure(
        self,
        model: Model[Any, Instances, Instances],
        recipe: InstanceSettings,
        dataset: Dataset[Instances],
        indices: Sequence[int],
    ) -> None:
        """Hands the recipe's loss and weight of borders to a model that takes them.

        Raises:
            RecipeError: the recipe asks for what the model does not have.
        """
        taken = {"loss": isinstance(model, TakesCriterion), "border_weight": isinstance(model, WeighsBorders)}
        for name, value in {"loss": recipe.loss, "border_weight": recipe.border_weight}.items():
            if value and not taken[name]:
                refuse(name, value, f"the loss of {type(model).__name__} belongs to its method")
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
