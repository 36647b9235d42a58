"""Detection: what is where? A box, a class and a score for every object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zorki.contracts import Dataset, Model, Task
from zorki.contracts.capabilities import FitsToData, Precomputes
from zorki.errors import ZorkiError
from zorki.tasks.detection.data import DetectionData
from zorki.tasks.detection.evaluation import DetectionEvaluation
from zorki.tasks.detection.presentation import DetectionPresentation
from zorki.tasks.detection.settings import DetectionSettings
from zorki.types import Boxes, ClassInfo


class Detection(Task[Boxes, Boxes]):
    """Boxes with classes and scores."""

    name = "detection"
    monitor = "ap"
    summary = "What is where? A box, a class and a score for every object."
    settings = DetectionSettings
    data = DetectionData()
    evaluation = DetectionEvaluation()
    presentation = DetectionPresentation()

    def configure(
        self,
        model: Model[Any, Boxes, Boxes],
        recipe: DetectionSettings,
        dataset: Dataset[Boxes],
        indices: Sequence[int],
    ) -> None:
        """Shows the training boxes, and how large the images are, to a model that `FitsToData`.

        Raises:
            RecipeError: the recipe mixes images, but the model takes regions that were found in each by itself.
        """
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
