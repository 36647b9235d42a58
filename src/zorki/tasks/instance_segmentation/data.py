"""Data for instance segmentation: images with a mask for every object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset
from zorki.contracts.capabilities import TakesCriterion, WeighsBorders
from zorki.contracts.statistics import DatasetStatistics
from zorki.task_settings import refuse
from zorki.tasks.detection.object_task import ObjectData
from zorki.tasks.instance_segmentation.settings import InstanceSettings
from zorki.types import ClassInfo, Instances, Sample

if TYPE_CHECKING:
    import torch
    from torch import nn

    from zorki.contracts import Model


class InstanceData(ObjectData[Instances]):
    """Images with masks of objects."""

    needs = ("instances",)
    task = "instance_segmentation"

    def read(
        self,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> Dataset[Instances]:
        """Images with masks of objects, in any format that provides instances, or the built-in scenes.

        Raises:
            DataError: nothing is there, or the format is not recognized.
        """
        from zorki.data.formats.readers import read_instances
        from zorki.data.scenes.choose import is_scenes, scenes_of

        if is_scenes(root, format):
            from zorki.data.scenes.instances import parse  # painted with torch, which data in files have no need of

            return scenes_of(parse, root, class_names, selection)
        return read_instances(root, format, class_names=class_names, max_pixels=max_pixels, selection=selection)

    def augment(
        self, sample: Sample[Instances], recipe: InstanceSettings, info: ClassInfo, generator: torch.Generator
    ) -> Sample[Instances]:
        """Image and masks varied together."""
        from zorki.tasks.instance_segmentation.augment import augment_instances
        from zorki.tasks.recipe_augment import augment_of

        return augment_instances(sample, augment_of(recipe), generator, info.names)

    def learnable_count(self, target: Instances) -> int:
        """How many objects a network can learn from: neither crowds nor without a pixel."""
        seen = target.masks.flatten(1).any(1)
        return int((seen if target.crowd is None else seen & ~target.crowd).sum())

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

    def statistics(self, dataset: Dataset[Instances]) -> DatasetStatistics:
        """Objects and images a class, areas and objects an image, by split."""
        from zorki.tasks.instance_segmentation.statistics import instance_statistics

        return instance_statistics(dataset)


def _named_loss(name: str, own: nn.Module) -> nn.Module:
    """The loss of that name, with the ignore index of the model's own, and its class weights where it takes any."""
    from zorki.losses.pixels import PixelLoss

    assert isinstance(own, PixelLoss)
    named = PixelLoss.of(name, ignore=own.ignore)
    weights = own.class_weights if named.weighs_pixels else None
    return PixelLoss(named.terms, ignore=own.ignore, class_weights=weights)
