"""A network asked about images, as wholes or where a detector tells it to look."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zorki.contracts import Model, Preprocess
from zorki.contracts.capabilities import LooksAtRegions, Selection
from zorki.engine.device import laid_out
from zorki.engine.evaluation.units import track
from zorki.engine.prediction.selection import select
from zorki.engine.prediction.tiling import can_tile
from zorki.engine.run.open import RunLike, TrainedModel, open_all
from zorki.errors import RecipeError, did_you_mean
from zorki.types import Boxes, Frames, Placement, map_tensors
from zorki.types.arrays import tensor_of


class RegionSource:
    """A detector that tells another network where to look: `--boxes-from`.

    Boxes that the detector shows, by the threshold that its run found; of the classes that the other network knows by
    name, or all where it knows one class and the detector another one alone.

    Args:
        detector: a run, or its folder.
        run: the one that looks at regions.

    Raises:
        ZorkiError: there is no such run, it finds no boxes, the other looks at no regions, or no class is of both.
    """

    def __init__(self, detector: RunLike, run: TrainedModel, device: str) -> None:
        (self.detector,) = open_all(detector)
        if not isinstance(run.model.preprocess, LooksAtRegions):
            raise RecipeError(
                f"boxes_from is {self.detector.folder}, but {run.task.name} looks at images as a whole; leave it out"
            )
        self.device = device
        self._model = self.detector.on_device(device).eval()
        self._labels = _common_labels(self.detector, run)
        if not self._labels:
            self([torch.zeros((3, 64, 64), dtype=torch.uint8)])  # a run that finds no boxes is what has to be told
            theirs, ours = self.detector.info.names, run.info.names
            raise RecipeError(
                f"{self.detector.folder} finds {', '.join(theirs[:5])}, and {run.folder} is about "
                f"{', '.join(ours[:5])}: no class is of both.{did_you_mean(ours[0], theirs)} Name a detector of these"
            )

    def __call__(self, images: Sequence[Tensor]) -> list[Boxes]:
        """The regions of each image, best first. Raises RecipeError where the run finds no boxes."""
        return [self._of(found) for found in predict_images(self._model, images, self.device)]

    def _of(self, found: Any) -> Boxes:
        if not isinstance(found, Boxes):
            raise RecipeError(
                f"{self.detector.folder} is a run of {self.detector.task.name}, which finds no boxes; name a detector"
            )
        shown = self.detector.task.presentation.shown(found, self.detector.info)
        labels = [self._labels.get(label, -1) for label in shown.labels.tolist()]
        moved = dataclasses.replace(shown, labels=torch.tensor(labels, dtype=torch.int64))
        return moved[moved.labels >= 0]


class NetworkPredictor:
    """The network of a run: a `Predictor`. Raises RecipeError where it cannot select so."""

    def __init__(self, run: TrainedModel, selection: Selection, device: str, regions: RegionSource | None) -> None:
        self._model = select(run.on_device(device).eval(), selection)
        self._device, self._regions = device, regions

    @property
    def preprocess(self) -> Preprocess:
        """What makes the inputs."""
        return self._model.preprocess

    @property
    def can_tile(self) -> bool:
        """Whether predictions for tiles can be joined."""
        return can_tile(self._model)

    def network(self, setting: str) -> Model[Any, Any, Any]:
        """The network itself."""
        return self._model

    def convert(self, image: Any) -> Any:
        """An image as `preprocess` takes it: a tensor; films as they are."""
        return tensor_of(image) if isinstance(image, np.ndarray) else image

    def prepare(self, images: Sequence[Any]) -> tuple[Any, list[Placement]]:
        """The inputs of the network, see `prepared`."""
        return prepared(self._model, [self.convert(image) for image in images], self._regions)

    def predict(self, inputs: Any, placements: Sequence[Placement]) -> list[Any]:
        """Predictions for what `prepare` gave."""
        return predict_inputs(self._model, inputs, placements, self._device)

    def follow(self, frames: Iterable[Any], prompt: Any) -> Iterator[Any]:
        """What is followed through a video, frame by frame."""
        images = (self.convert(frame).to(self._device) for frame in frames)
        return torch.inference_mode()(track)(self._model, images, prompt)


def _common_labels(detector: TrainedModel, run: TrainedModel) -> dict[int, int]:
    """The run's label of each of the detector's classes that it knows by name; where both know one, it is the same."""
    theirs, ours = detector.info.names, run.info.names
    if len(ours) == len(theirs) == 1:
        return {0: 0}
    return {label: ours.index(name) for label, name in enumerate(theirs) if name in ours}


def predict_images(
    model: Model[Any, Any, Any],
    images: Sequence[Tensor],
    device: str | torch.device = "cpu",
    regions: RegionSource | None = None,
) -> list[Any]:
    """Predictions for uint8 RGB images (3, H, W) of any sizes, in the pixels of each.

    Args:
        regions: tells where to look in each image; None: at the whole of it.
    """
    return predict_inputs(model, *prepared(model, images, regions), device)


def prepared(
    model: Model[Any, Any, Any], images: Sequence[Tensor | Frames], regions: RegionSource | None
) -> tuple[Any, list[Placement]]:
    """The inputs of the network, as `predict_images`, and where the images lie in them; films for networks of clips."""
    preprocess = model.preprocess
    if regions is not None and isinstance(preprocess, LooksAtRegions):
        return preprocess.in_regions(images, regions(images))  # type: ignore[arg-type]
    return preprocess(images)  # type: ignore[arg-type]  # films for those alone that take them


def predict_inputs(
    model: Model[Any, Any, Any], inputs: Any, placements: Sequence[Placement], device: str | torch.device
) -> list[Any]:
    """Predictions for what preprocessing gave."""
    with torch.inference_mode():
        return model.decode(model(laid_out(map_tensors(inputs, lambda t: t.to(device)), model)), placements)
