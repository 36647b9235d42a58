"""What predicts: the network of a run, or a file that was exported from one, which needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from zorki.contracts import Preprocess, Task
from zorki.contracts.capabilities import Selection
from zorki.engine.prediction.predictors.exported import ExportedModel, open_model
from zorki.errors import RecipeError
from zorki.exported.file import choose_device
from zorki.exported.formats import is_exported
from zorki.hub import is_address, local_path
from zorki.recipe import Recipe
from zorki.types import ClassInfo, Placement

if TYPE_CHECKING:
    from zorki.contracts import Model
    from zorki.engine.prediction.inference import RegionSource
    from zorki.engine.run.open import RunLike


@runtime_checkable
class Opened(Protocol):
    """What a prediction knows of the run or file that it is made by."""

    @property
    def folder(self) -> Path: ...
    @property
    def task(self) -> Task[Any, Any]: ...
    @property
    def info(self) -> ClassInfo: ...
    @property
    def recipe(self) -> Recipe: ...


@runtime_checkable
class Predictor(Protocol):
    """What predicts images; `NetworkPredictor` and `FilePredictor`."""

    @property
    def preprocess(self) -> Preprocess:
        """What makes the inputs."""

    @property
    def can_tile(self) -> bool:
        """Whether predictions for tiles of an image can be joined."""

    def network(self, setting: str) -> Model[Any, Any, Any]:
        """The network itself, for the setting that asks for it. Raises RecipeError where there is none."""

    def convert(self, image: Any) -> Any:
        """An image (3, H, W) in numpy, or a film, as `preprocess` takes it."""

    def prepare(self, images: Sequence[Any]) -> tuple[Any, list[Placement]]:
        """Inputs for images (3, H, W) in numpy, or films, and where the images lie in them."""

    def predict(self, inputs: Any, placements: Sequence[Placement]) -> list[Any]:
        """Predictions for what `prepare` gave, in pixels of the images."""

    def follow(self, frames: Iterable[Any], prompt: Any) -> Iterator[Any]:
        """What is followed through a video, frame by frame; the prompt is about the first."""


def open_predictable(
    runs: Sequence[RunLike] | RunLike | ExportedModel, weights: str | Path | None, options: Mapping[str, str] | None
) -> list[Any]:
    """Each run as `open_all` opens it, or the one exported file.

    Raises:
        ZorkiError: there is no such run or file, or a file together with something else.
    """
    listed: list[Any] = list(runs) if isinstance(runs, Sequence) and not isinstance(runs, str) else [runs]
    listed = [str(local_path(run)) if is_address(run) else run for run in listed]
    files = [run for run in listed if isinstance(run, ExportedModel) or is_exported(run)]
    if not files:
        from zorki.engine.run.open import open_all

        return list(open_all(listed, weights, options=options))
    if len(listed) > 1:
        raise RecipeError(f"{files[0]} is an exported file, which predicts alone; name it without another run")
    for name, value in (("weights", weights), ("options", options)):
        if value:
            raise RecipeError(f"{files[0]} is an exported file, which has its own weights and sizes; leave {name} out")
    return [files[0] if isinstance(files[0], ExportedModel) else open_model(Path(files[0]))]


def check_device(opened: Sequence[Any], device: str | int | None) -> str:
    """The device that was asked for, or the best there is. Raises RecipeError where the machine has none such."""
    if isinstance(opened[0], ExportedModel):
        return choose_device(device)
    from zorki.engine import device as devices

    return devices.check_device(device)


def open_predictors(
    opened: Sequence[Any], selection: Selection, device: str, regions: RegionSource | None
) -> list[Predictor]:
    """What predicts, for each run or file. Raises RecipeError where it cannot select so."""
    if isinstance(opened[0], ExportedModel):
        return [opened[0].predictor(selection, device)]
    from zorki.engine.prediction.inference import NetworkPredictor

    return [NetworkPredictor(run, selection, device, regions) for run in opened]


def region_source(boxes_from: RunLike | None, looking: Any, device: str) -> RegionSource | None:
    """The detector that tells where to look. Raises ZorkiError as `RegionSource`."""
    if boxes_from is None:
        return None
    if isinstance(looking, ExportedModel):
        raise RecipeError(
            f"boxes_from is {boxes_from}, and {looking.folder} is an exported file, which takes the boxes of nobody; "
            "crop the objects, or predict with the run itself"
        )
    from zorki.engine.prediction.inference import RegionSource

    return RegionSource(boxes_from, looking, device)
