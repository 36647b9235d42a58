"""The same words in Python as on the command line, and a run with its verbs."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, get_type_hints, overload

from zorki.contracts import Results
from zorki.engine.evaluation.evaluate import evaluate
from zorki.engine.prediction.predict import RunSettings, predict
from zorki.engine.prediction.result import Result
from zorki.engine.prediction.selection import Classes
from zorki.engine.prediction.tracks.options import Places, Track
from zorki.engine.run import open as opening
from zorki.recipe import Recipe
from zorki.task_settings import all_fields

if TYPE_CHECKING:
    from zorki.engine.search.index import Index, IndexSettings


class Run(opening.TrainedModel):
    """A trained model with its folder; what `zorki.train` and `zorki.load` return."""

    def evaluate(
        self,
        data: Any = None,
        *,
        split: str | None = None,
        format: str | None = None,
        batch_size: int | None = None,
        device: str | int | None = None,
        workers: int | None = None,
        strict: bool = False,
        conf: float | None = None,
        iou: float | None = None,
        max_det: int | None = None,
        classes: Classes | None = None,
        tile: int | None = None,
        overlap: int | None = None,
        boxes_from: opening.RunLike | None = None,
        quiet: bool = False,
    ) -> Results:
        """Evaluates the run on a split of `data` (default: what it was trained on). See `zorki.evaluate`.

        With `boxes_from` the scores are those with the detector's boxes; `zorki.evaluate` gives both.
        """
        settings: dict[str, Any] = {
            "batch_size": batch_size, "device": device, "workers": workers, "strict": strict, "conf": conf, "iou": iou,
            "max_det": max_det, "classes": classes, "tile": tile, "overlap": overlap, "boxes_from": boxes_from,
        }  # fmt: skip
        return evaluate([self], data, split=split, format=format, quiet=quiet, **settings)[-1]

    @overload
    def predict(self, *sources: Any, stream: Literal[True], **settings: Unpack[RunSettings]) -> Iterator[Result]: ...

    @overload
    def predict(
        self, *sources: Any, stream: Literal[False] = False, **settings: Unpack[RunSettings]
    ) -> list[Result]: ...

    def predict(
        self,
        *sources: Any,
        stream: bool = False,
        conf: float | None = None,
        iou: float | None = None,
        max_det: int | None = None,
        classes: Classes | None = None,
        out: str | Path | bool | None = None,
        resume: bool = False,
        batch_size: int | None = None,
        device: str | int | None = None,
        strict: bool | None = None,
        tile: int | None = None,
        overlap: int | None = None,
        max_frames: int | None = None,
        bgr: bool = False,
        quiet: bool = False,
        track: Track = False,
        embed: opening.RunLike | None = None,
        count_lines: Places | None = None,
        count_zones: Places | None = None,
        prompt: Any = None,
        boxes_from: opening.RunLike | None = None,
        smooth: str | None = None,
    ) -> list[Result] | Iterator[Result]:
        """A `Result` for each image and frame, in the order of the sources, or of lists of them. See `zorki.predict`.

        Raises:
            ZorkiError: as `zorki.predict`.
        """
        settings: RunSettings = {
            "conf": conf, "iou": iou, "max_det": max_det, "classes": classes, "out": out, "resume": resume,
            "batch_size": batch_size, "device": device, "strict": strict, "tile": tile, "overlap": overlap,
            "max_frames": max_frames, "bgr": bgr, "quiet": quiet, "track": track, "embed": embed,
            "count_lines": count_lines, "count_zones": count_zones, "prompt": prompt, "boxes_from": boxes_from,
            "smooth": smooth,
        }  # fmt: skip
        if stream:
            return predict([self], list(sources), stream=True, **settings)
        return predict([self], list(sources), **settings)

    def index(self, images: Any, out: str | Path, **settings: Unpack[IndexSettings]) -> Index:
        """A new index of images by the run's embeddings. See `zorki.Index.build`."""
        from zorki.engine.search.index import Index

        return Index.build(self, images, out, **settings)


def load(folder: str | Path, options: Mapping[str, Any] | None = None) -> Run:
    """The run in a folder, with its best weights.

    Args:
        folder: or hf://OWNER/NAME[@REVISION], which is fetched.
        options: arguments of the model's builder in the place of those that it was trained with, such as a larger
            `image_size`; of networks whose weights fit all the same.

    Raises:
        WeightsError: the folder is no run's, its weights are missing, or do not fit.
        RecipeError: the model has no such option, or not with that value.
    """
    return _with_verbs(opening.load(folder, options))


def _with_recipe_fields(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the recipe's fields in its signature, so that `help` and editors show them."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    plain = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    fields = [
        inspect.Parameter(
            f.name,
            inspect.Parameter.KEYWORD_ONLY,
            default={} if f.default is dataclasses.MISSING else f.default,
            annotation=get_type_hints(kinds[0])[f.name],
        )
        for name, kinds in all_fields().items()
        if (f := kinds[0].__dataclass_fields__[name])
    ]
    call.__signature__ = inspect.Signature([*plain, *fields])  # type: ignore[attr-defined]
    return call


@_with_recipe_fields
def train(
    model: str | None,
    data: Any,
    *,
    recipe: Recipe | None = None,
    quiet: bool = False,
    class_names: Sequence[str] | None = None,
    **settings: Any,
) -> Run:
    """Trains a model on a dataset and returns the run, evaluated, with its report written.

    Args:
        model: a name that `zorki models` lists; None: one is chosen for the data, and told.
        data: a folder or file that the model's task reads; or a torch dataset of (image, target), or such by split,
            {"train": ..., "val": ...}: see `zorki.data.annotations.torch_dataset`.
        recipe: settings of the run; single fields can be given by name instead, such as `epochs=5`.
        quiet: print nothing.
        class_names: the names of a torch dataset's labels; "background" first where these count from 1. Of files, the
            labels' order.

    Raises:
        ZorkiError: data, settings, weights, or the machine cannot serve; what was learned so far stays on disk.
    """
    from zorki.engine.training import train as training  # Lightning is loaded where something is trained

    return _with_verbs(training.train(model, data, recipe=recipe, quiet=quiet, class_names=class_names, **settings))


def resume(folder: str | Path, *, data: Any = None, quiet: bool = False, **settings: Any) -> Run:
    """Goes on with a run that was stopped or killed, as if it had never been: losses are equal to the last bit.

    Args:
        data: the dataset in Python that it was trained on; None reads its folder or file.
        quiet: print nothing.
        settings: those of `zorki.engine.run.changes.CHANGEABLE` that change from here on, such as more `epochs`.

    Raises:
        WeightsError: no run is there, or its data have changed.
        RecipeError: a setting would make it another training.
    """
    from zorki.engine.training import train as training

    return _with_verbs(training.resume(folder, data=data, quiet=quiet, **settings))


def _with_verbs(trained: opening.TrainedModel) -> Run:
    return Run(**vars(trained))
