"""Data for style transfer: any images; nothing of them is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset, TaskData
from zorki.contracts.statistics import DatasetStatistics
from zorki.errors import DataError, RecipeError
from zorki.tasks.style_transfer.settings import StyleTransferSettings
from zorki.types import Annotation, ClassInfo, Sample

if TYPE_CHECKING:
    import torch

    from zorki.contracts import Model

_NAMES = ("image",)


class StyleTransferData(TaskData[Annotation]):
    """Folders of images, whose contents a network learns to paint in a style."""

    usual_classes = 1

    def read(
        self,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> Dataset[Any]:
        """Every image in a folder and below it; or the built-in scenes.

        Raises:
            DataError: there is no image, or another format or classes are asked for.
        """
        from zorki.data.annotations.bare_images import IMAGES, read_images
        from zorki.data.scenes.choose import is_scenes, scenes_of

        if selection:
            raise DataError(f"{root}: images for style transfer have no classes to select")
        if is_scenes(root, format):
            from zorki.data.scenes.dataset import parse

            return scenes_of(parse, root, None)
        if format not in (None, IMAGES):
            raise DataError(f"{root}: format is {format!r}; expected {IMAGES}, or nothing")
        return read_images(root, max_pixels=max_pixels)

    def augment(
        self, sample: Sample[Annotation], recipe: StyleTransferSettings, info: ClassInfo, generator: torch.Generator
    ) -> Sample[Annotation]:
        """A square of `train_size` pixels, the image's shorter side, from anywhere; then what the recipe says."""
        import torch

        from zorki.data.preprocess.resize_image import resize_image
        from zorki.tasks.recipe_augment import augment_of

        image = augment_of(recipe)(sample.image, generator)
        side = min(image.shape[1:])
        top, left = (int(torch.randint(0, room - side + 1, (), generator=generator)) for room in image.shape[1:])
        square = image[:, top : top + side, left : left + side]
        return dataclasses.replace(sample, image=resize_image(square, recipe.train_size, recipe.train_size))

    def configure(
        self,
        model: Model[Any, Annotation, Any],
        recipe: StyleTransferSettings,
        dataset: Dataset[Annotation],
        indices: Sequence[int],
    ) -> None:
        """Shows the model the style, and some of the images, by whose losses it weighs its own."""
        from zorki.data.style_images import read_styles
        from zorki.tasks.style_transfer.takes_style import TakesStyle

        if not isinstance(model, TakesStyle):
            return
        if recipe.style is None:
            raise RecipeError("no style is given: say --style IMAGE")
        import torch

        generator = torch.Generator().manual_seed(recipe.seed)
        shown = [self.augment(sample, recipe, ClassInfo(()), generator) for sample in _some(dataset, indices)]
        contents = torch.stack([sample.image for sample in shown])
        model.take_style(
            read_styles(recipe.style),
            contents,
            size=recipe.style_size,
            strength=recipe.strength,
            smoothness=recipe.smoothness,
        )

    def statistics(self, dataset: Dataset[Annotation]) -> DatasetStatistics:
        """Images by split."""
        return DatasetStatistics(_NAMES, {name: [len(own)] for name, own in dataset.splits.items()})

    def class_info(self, dataset: Dataset[Annotation]) -> ClassInfo:
        """One class for all images, whatever the data call them."""
        return ClassInfo(_NAMES)

    def default_classes(self, num_classes: int) -> ClassInfo:
        """None are told apart; one stands for all images."""
        return ClassInfo(_NAMES)


def _some(dataset: Dataset[Annotation], indices: Sequence[int], count: int = 8) -> list[Sample[Annotation]]:
    """A few samples that can be read, evenly spaced."""
    found: list[Sample[Annotation]] = []
    for index in [*indices[:: max(1, len(indices) // count)], *indices]:
        try:
            found.append(dataset[index])
        except DataError:
            continue
        if len(found) == count:
            break
    if not found:
        raise DataError(f"{dataset.root}: no training image can be decoded")
    return found
