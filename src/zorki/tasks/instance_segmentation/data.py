"""Data for instance segmentation: images with a mask for every object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset
from zorki.tasks.detection.object_task import ObjectData
from zorki.tasks.instance_segmentation.settings import InstanceSettings
from zorki.types import Instances, Sample


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
        from zorki.data.scenes.choose import scenes_of
        from zorki.data.scenes.instances import parse

        scenes = scenes_of(parse, root, format, class_names, selection)
        if scenes is not None:
            return scenes
        return read_instances(root, format, class_names=class_names, max_pixels=max_pixels, selection=selection)

    def augment(
        self, sample: Sample[Instances], recipe: InstanceSettings, generator: torch.Generator
    ) -> Sample[Instances]:
        """Image and masks varied together."""
        from zorki.tasks.instance_segmentation.augment import augment_instances
        from zorki.tasks.recipe_augment import augment_of

        return augment_instances(sample, augment_of(recipe), generator)

    def learnable_count(self, target: Instances) -> int:
        """How many objects a network can learn from: neither crowds nor without a pixel."""
        seen = target.masks.flatten(1).any(1)
        return int((seen if target.crowd is None else seen & ~target.crowd).sum())

    def statistics(self, dataset: Dataset[Instances]) -> dict[str, Any]:
        """Objects and images a class, areas and objects an image, by split."""
        from zorki.tasks.instance_segmentation.statistics import tally_instances

        return tally_instances(dataset)
