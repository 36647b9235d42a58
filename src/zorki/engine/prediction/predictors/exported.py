"""An exported file in the place of a run: the same preprocessing, the same predictions, and no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zorki import registry
from zorki.contracts import Preprocess, Task
from zorki.contracts.capabilities import Selection
from zorki.errors import RecipeError, WeightsError
from zorki.exported.decoding import decoder
from zorki.exported.file import ExportedFile, open_file
from zorki.recipe import Recipe
from zorki.types import ClassInfo, Placement

EVERYTHING = Selection()


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """A file that `zorki export` wrote, with all that it says of itself. `folder` is its path."""

    folder: Path
    task: Task[Any, Any]
    info: ClassInfo
    recipe: Recipe
    file: ExportedFile

    @property
    def model_name(self) -> str:
        """Of the network, as `zorki models` lists it."""
        return self.file.model

    @property
    def class_names(self) -> list[str]:
        """Names of the labels 0..num_classes-1."""
        return list(self.info.names)

    def predictor(self, selection: Selection = EVERYTHING, device: str = "cpu") -> FilePredictor:
        """What predicts. Raises RecipeError where what is baked into the graph cannot be chosen otherwise."""
        return FilePredictor(self, selection, device)


def open_model(path: Path) -> ExportedModel:
    """The model in an exported file.

    Raises:
        WeightsError: it is no such file, or its task is not known.
        ZorkiError: ONNX Runtime is not installed.
    """
    file = open_file(path)
    task = registry.task(file.task)
    if task is None:
        raise WeightsError(f"{path}: task {file.task!r} is not known to this version of zorki; install a newer one")
    return ExportedModel(path, task, file.info, Recipe(max_pixels=file.max_pixels), file)


class FilePredictor:
    """A `Predictor` by ONNX Runtime.

    Args:
        selection: of predictions, where it asks for less than the graph gives.
    """

    can_tile = False

    def __init__(self, model: ExportedModel, selection: Selection, device: str) -> None:
        _check_selection(model, selection)
        self._file, self._decode = model.file, decoder(model.file.decoding, model.file.path)
        self._session = model.file.session(device)
        self.preprocess: Preprocess = model.file.preprocess

    def network(self, setting: str) -> Any:
        """There is none: raises RecipeError."""
        raise RecipeError(
            f"{self._file.path} is an exported file, which predicts whole images; leave {setting} out, or predict with "
            "the run itself"
        )

    def convert(self, image: Any) -> Any:
        """The image itself."""
        return image

    def prepare(self, images: Sequence[Any]) -> tuple[Any, list[Placement]]:
        """The batch, in numpy, and where the images lie in it."""
        return self.preprocess(images)

    def predict(self, inputs: Any, placements: Sequence[Placement]) -> list[Any]:
        """Predictions in pixels of the images."""
        images, placements = self._file.fit(inputs, placements)
        found: list[Any] = []
        step = self._file.batch_size or max(1, len(placements))
        for first in range(0, len(placements), step):
            own = placements[first : first + step]
            outputs = self._session(images[first : first + step], own)
            found += self._decode(outputs, own)
        return found

    def follow(self, frames: Iterable[Any], prompt: Any) -> Iterator[Any]:
        """Raises RecipeError: no file of one graph follows anything."""
        raise RecipeError(f"{self._file.path} is an exported file, which follows nothing through a video; use the run")


def _check_selection(model: ExportedModel, selection: Selection) -> None:
    """Raises RecipeError where the graph has left out already what is asked for."""
    baked = model.file.thresholds
    asked = {"conf": selection.min_score, "iou": selection.max_iou, "max_det": selection.max_count}
    for name, key in (("conf", "min_score"), ("iou", "max_iou"), ("max_det", "max_count")):
        value, there = asked[name], baked.get(key)
        flag = name.replace("_", "-")
        if value is None or there is None:
            if value is not None and name != "conf":
                raise RecipeError(f"{model.folder}: its graph has no {name} to choose; leave {flag} out")
            continue
        beyond = value < there if name == "conf" else value > there if name == "max_det" else value != there
        if beyond and not np.isclose(value, there):
            raise RecipeError(
                f"{model.folder}: {name} is {value}, and the file was exported with {there:g}, which is part of its "
                f"graph; export the run again with --{flag} {value}"
            )
