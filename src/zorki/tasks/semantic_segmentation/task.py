"""Semantic segmentation: of which class is each pixel?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zorki.contracts import Dataset, Model, Section, Targets, Task
from zorki.contracts.capabilities import TakesCriterion
from zorki.errors import DataError, ZorkiError
from zorki.metrics.confusion import confusion, mean_iou
from zorki.tasks.semantic_segmentation.metric import SegmentationMetric, aligned
from zorki.types import Mask, Sample

if TYPE_CHECKING:
    from zorki.recipe import Recipe

MOST_WORDS, LEAST_SHARE = 3, 0.005  # classes in a caption, and what is more than 0 %
FEW = 32  # masks looked at before it is asked whether they are enough


class SemanticSegmentation(Task[Mask, Mask]):
    """A class for every pixel."""

    name = "semantic_segmentation"
    monitor = "miou"
    headline = ("miou", "pixel_accuracy")
    usual_classes = 21  # Pascal VOC's, with its background
    summary = "Of which class is each pixel?"
    thumbnail_side = 224

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__(class_names)
        self.palette: list[list[int]] | None = None  # None: the project's own colors

    @classmethod
    def read(
        cls,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
    ) -> Dataset[Mask]:
        """Images with masks, in any format of `zorki.data.formats.SEGMENTED`, or the built-in scenes.

        Raises:
            DataError: nothing is there, or the format is not recognized.
        """
        from zorki.tasks.semantic_segmentation.read import read

        return read(root, format=format, class_names=class_names, max_pixels=max_pixels)

    @classmethod
    def recognize(cls, root: Path, format: str | None = None) -> str | None:
        from zorki.data import formats

        try:
            return ": ".join(formats.recognize(root, format, allowed=formats.SEGMENTED))
        except DataError:
            return None

    def augment(self, sample: Sample[Mask], recipe: Recipe, generator: torch.Generator) -> Sample[Mask]:
        """Image and mask varied together; the mask gets weights of its borders where the recipe asks for them."""
        from zorki.tasks.recipe_augment import augment_of
        from zorki.tasks.semantic_segmentation.augment import augment_mask, weigh_borders

        return weigh_borders(augment_mask(sample, augment_of(recipe), generator), recipe.border_weight)

    def metric(self) -> SegmentationMetric:
        return SegmentationMetric(self.class_names)

    def configure(
        self, model: Model[Any, Mask, Mask], recipe: Recipe, dataset: Dataset[Mask], indices: Sequence[int]
    ) -> None:
        """The loss that the recipe names, else the model's own, with weights of classes and label smoothing.

        Raises:
            RecipeError: the recipe asks for what segmenters do not have, or for a loss that is not known.
        """
        from zorki.tasks.semantic_segmentation.settings import class_weights_of, criterion_of, refuse_settings

        refuse_settings(recipe)
        assert isinstance(model, TakesCriterion)
        classes = len(self.class_names)
        model.replace_criterion(
            lambda own: criterion_of(recipe, own, lambda: class_weights_of(dataset, indices, classes))
        )

    def check(self, dataset: Dataset[Mask], train: Sequence[int]) -> None:
        """The training masks must show two classes at least."""
        from zorki.tasks.semantic_segmentation.statistics import count_pixels

        seen = torch.zeros(len(self.class_names), dtype=torch.bool)
        for start in range(0, len(train), FEW):
            few = Targets(dataset, train[start : start + FEW])
            seen |= (count_pixels(few, len(seen))[:, :-1] > 0).any(0)
            if int(seen.sum()) > 1:
                return
        only = ", ".join(self.class_names[label] for label in seen.nonzero().flatten().tolist()) or "none"
        raise DataError(
            f"{dataset.root}: the masks of {len(train)} training images show only one class ({only}); expected two "
            "at least. See with `zorki show` how the masks were read"
        )

    def baseline(self, train: Sequence[Mask]) -> Mask | None:
        """The class with the most training pixels everywhere: a mask of one pixel, which stands for any size."""
        from zorki.tasks.semantic_segmentation.statistics import count_pixels

        counts = count_pixels(train, len(self.class_names))[:, :-1].sum(0)
        return Mask(counts.argmax().view(1, 1)) if bool(counts.any()) else None

    def export(self, model: Model[Any, Mask, Mask], path: Path, height: int, width: int) -> Path:
        """Maps of scores and of classes; see `zorki.tasks.semantic_segmentation.export`."""
        from zorki.tasks.semantic_segmentation.export import export_onnx
        from zorki.tasks.semantic_segmentation.segmenter import Segmenter

        if not isinstance(model, Segmenter):
            raise ZorkiError(f"{type(model).__name__} is no Segmenter, and only those can be written as ONNX")
        return export_onnx(model, path, height, width, self.class_names)

    def balance(self, targets: Sequence[Mask]) -> list[float]:
        """Images that show rare classes are drawn more often; see `balance_weights`."""
        from zorki.tasks.semantic_segmentation.statistics import balance_weights, count_pixels

        return balance_weights(count_pixels(targets, len(self.class_names))[:, :-1]).tolist()

    def ensemble(self, predictions: Sequence[Mask]) -> Mask:
        """The class that most answers give a pixel; of those with as many, the one that comes first among them."""
        bands = []
        for rows in zip(*(prediction.classes.split(512) for prediction in predictions), strict=True):
            votes = torch.stack(rows)
            agreeing = torch.stack([(votes == one).sum(0) for one in votes])
            bands.append(votes.gather(0, agreeing.argmax(0, keepdim=True))[0])
        return Mask(torch.cat(bands), predictions[0].ignore)

    def badness(self, prediction: Mask, target: Mask) -> float:
        """1 less the mean IoU over the classes in this image's truth or answer."""
        return 1.0 - mean_iou(confusion(*aligned(prediction, target), len(self.class_names)))

    def caption(self, annotation: Mask) -> str:
        """The classes with the most pixels: "road 43 %, sky 20 %"."""
        known = self._shares(annotation)
        shares = [part for part in known if part[1] >= LEAST_SHARE][:MOST_WORDS] or known[:1]
        return ", ".join(f"{self.class_names[label]} {share:.0%}" for label, share in shares) or "nothing judged"

    @classmethod
    def names_for(cls, num_classes: int) -> list[str]:
        """Pascal VOC's names for 21 classes, Cityscapes' for 19, else the numbers."""
        from zorki.tasks.semantic_segmentation.class_names import known_names

        return known_names(num_classes) or super().names_for(num_classes)

    def describe(self, annotation: Mask) -> dict[str, Any]:
        """The share of each class that is there, the largest first; the map itself is a file, see `attach`."""
        rows = [
            {"label": label, "class_name": self.class_names[label], "share": round(share, 6)}
            for label, share in self._shares(annotation)
        ]
        return {"classes": rows}

    def attach(self, annotation: Mask, place: Callable[[str, str], Path]) -> dict[str, Any]:
        """Writes the labels of all pixels as PNG, with the palette of the training data where they had one."""
        from zorki.data.annotations.masks.stored import write_mask

        path = place("masks", ".png")
        write_mask(path, annotation.classes, self.palette)
        return {"mask": path}

    def remember(self, dataset: Dataset[Mask]) -> dict[str, Any]:
        """The colors of the classes, where the data have such."""
        palette = getattr(dataset, "palette", None)
        return {"palette": [list(rgb) for rgb in palette]} if palette else {}

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Maps of classes are written with the palette of the training data from now on."""
        self.palette = facts.get("palette")

    def draw(self, image: Tensor, annotation: Mask) -> Tensor:
        """The image in the colors of its classes, with a legend."""
        from zorki.tasks.semantic_segmentation.drawing import draw_mask

        return draw_mask(image, annotation, self.class_names)

    def thumbnail(self, image: Tensor, annotation: Mask, truth: Mask | None = None) -> Tensor:
        """The image in the colors of its classes; beside the truth wrong pixels are hatched."""
        from zorki.tasks.semantic_segmentation.drawing import thumbnail

        return thumbnail(image, annotation, truth, self.class_names, self.thumbnail_side)

    def tally(self, dataset: Dataset[Mask]) -> dict[str, Any]:
        """Pixels and images a class, and what nobody judged, by split."""
        from zorki.tasks.semantic_segmentation.statistics import tally_masks

        return tally_masks(dataset)

    def sections(self, results: Mapping[str, Any]) -> list[Section]:
        """Figures, classes, the worst of them, confusion matrix."""
        from zorki.tasks.semantic_segmentation.report import sections

        return sections(results, self.class_names)

    def _shares(self, annotation: Mask) -> list[tuple[int, float]]:
        """Labels that are there, with their shares of the judged pixels, the largest first."""
        counts = [0] * len(self.class_names)
        for rows in annotation.classes.split(512):  # eight bytes a pixel would be too much for a large image
            judged = rows[rows != annotation.ignore].long()
            found = torch.bincount(judged, minlength=len(counts)).tolist()
            counts = [before + more for before, more in zip(counts, found, strict=True)]
        ranked = sorted(range(len(counts)), key=lambda label: (-counts[label], label))
        return [(label, counts[label] / sum(counts)) for label in ranked if counts[label]]
