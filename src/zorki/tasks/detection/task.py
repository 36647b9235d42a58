"""Detection: what is where? A box, a class and a score for every object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zorki.contracts import Dataset, Model, Task
from zorki.contracts.capabilities import FitsToData, Precomputes
from zorki.errors import ZorkiError
from zorki.tasks.detection.data import DetectionData
from zorki.tasks.detection.evaluation import DetectionEvaluation
from zorki.tasks.detection.object_task import refuse_settings
from zorki.tasks.detection.presentation import DetectionPresentation
from zorki.types import Boxes, ClassInfo

if TYPE_CHECKING:
    from zorki.recipe import Recipe

REFUSED = {
    "class_weights": "--class-balanced draws images with rare classes more often",
    "label_smoothing": "leave it out",
    "cutmix": "--mosaic joins images for detection",
    "loss": "it is segmentation's, and detectors have losses of their own; leave it out",
    "border_weight": "it is segmentation's; leave it out",
    "elastic": "boxes cannot follow an image that is bent; --rotate and --scale-jitter vary shapes for detection",
}
"""Settings of recipes that belong to images with one label or to masks, and what to do instead."""


class Detection(Task[Boxes, Boxes]):
    """Boxes with classes and scores."""

    name = "detection"
    monitor = "ap"
    summary = "What is where? A box, a class and a score for every object."
    data = DetectionData()
    evaluation = DetectionEvaluation()
    presentation = DetectionPresentation()

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

    def export(self, model: Model[Any, Boxes, Boxes], path: Path, height: int, width: int, info: ClassInfo) -> Path:
        """Boxes, scores and labels, of detectors of one stage; see `zorki.tasks.detection.export`."""
        from zorki.tasks.detection.export import export_onnx
        from zorki.tasks.detection.networks.detector import Detector

        if not isinstance(model, Detector):
            raise ZorkiError(f"{type(model).__name__} is no Detector, and only those can be written as ONNX")
        return export_onnx(model, path, height, width, info.names)
