"""Runs evaluated on a split, one by one and together, beside a baseline that never looked at the images."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zorki.contracts import Dataset, Model, Results
from zorki.contracts.capabilities import Selection, SelectsPredictions
from zorki.data.loading.unreadable import defect_of
from zorki.data.windows import HeldImage
from zorki.engine.data_check import Survey, survey, usual_split
from zorki.engine.data_source import data_of_run, read_data
from zorki.engine.device import check_device
from zorki.engine.evaluation.class_subset import ClassSubset
from zorki.engine.evaluation.comparison import compare_simpler
from zorki.engine.evaluation.ensemble import baseline, ensemble_results
from zorki.engine.evaluation.exported import evaluate_exported
from zorki.engine.evaluation.split import Watch, eval_loader, evaluate_split, reference_loader
from zorki.engine.precompute import precompute
from zorki.engine.prediction.inference import RegionSource, predict_images
from zorki.engine.prediction.predictors.exported import open_model
from zorki.engine.prediction.selection import Classes, select, selection_of
from zorki.engine.prediction.tiling import Tiling, plan_tiling, predict_tiles
from zorki.engine.run.open import RunLike, TrainedModel, open_all
from zorki.errors import DataError, RecipeError
from zorki.exported.formats import is_exported
from zorki.hub import is_address, local_path
from zorki.output import say
from zorki.tiles import AT_ONCE
from zorki.types import Defect


def evaluate(
    runs: Sequence[RunLike] | RunLike,
    data: Any = None,
    *,
    split: str | None = None,
    weights: str | Path | None = None,
    format: str | None = None,
    batch_size: int | None = None,
    device: str | int | None = None,
    workers: int | None = None,
    strict: bool = False,
    options: Mapping[str, str] | None = None,
    conf: float | None = None,
    iou: float | None = None,
    max_det: int | None = None,
    classes: Classes | None = None,
    tile: int | None = None,
    overlap: int | None = None,
    boxes_from: RunLike | None = None,
    quiet: bool = False,
) -> list[Results]:
    """Evaluates runs, or a model with weights, on one split; several also together, as an ensemble.

    Args:
        runs: one or several run folders, or `Run`s; or a model's name, where `weights` says what it knows; or one
            exported file, of which there are no losses.
        data: the dataset; None takes what the first run was trained on. A torch dataset is passed as to `train`.
        split: train, val, test, or all; None takes the first of test, val and all that holds an image.
        options: arguments of the model's builder, in the place of those that a run was trained with: a larger `size`
            of images, more predictions.
        conf: minimum score of predictions that are evaluated, 0..1. Average precision wants low ones, too.
        iou: IoU threshold of non-maximum suppression, 0..1.
        max_det: predictions an image at most, the best.
        classes: names or labels of those that are evaluated, objects and predictions alike; None: all. All images stay.
        tile: images are predicted by tiles of so many pixels, as `predict` predicts them, and no loss is worked out;
            None: whole. `batch_size` counts tiles then.
        overlap: pixels that neighboring tiles share; None: an eighth of `tile`, or more where the network needs it.
        boxes_from: a detector's run: networks that look at regions are evaluated with its boxes, too, beside the
            annotated ones.
        quiet: print nothing, not even how far a long preparation is.

    Returns:
        Results in the order of `runs`, then those of the ensemble, where there are several, and last those with the
        boxes of `boxes_from`, in the order of `runs` again.

    Raises:
        ZorkiError: no such run, data, split; classes that differ; or a tile that does not go with the models.
    """
    if batch_size is not None and batch_size < 1:
        raise RecipeError(f"batch_size is {batch_size}; expected at least 1")
    only: Any = runs[0] if isinstance(runs, list | tuple) and len(runs) == 1 else runs
    if is_address(only):
        only = runs = local_path(only)
    if isinstance(only, str | Path) and is_exported(only):
        for name, value in (("weights", weights), ("options", options), ("tile", tile), ("boxes_from", boxes_from)):
            if value is not None:
                raise RecipeError(f"{only} is an exported file; leave {name} out, or evaluate the run itself")
        chosen: dict[str, Any] = {"conf": conf, "iou": iou, "max_det": max_det, "classes": classes}
        how: dict[str, Any] = {"split": split, "format": format, "batch_size": batch_size, "strict": strict}
        return [evaluate_exported(open_model(Path(only)), data, device=device, **how, **chosen)]
    device = check_device(device)
    opened = open_all(runs, weights, data, format, options)
    _check_alike(opened)
    first = opened[0]
    selection = selection_of(conf, iou, max_det, classes, first.info.names)
    opened = [dataclasses.replace(run, model=_selecting(run.model, selection)) for run in opened]
    tiling = plan_tiling([run.model for run in opened], tile, overlap)
    sources = [] if boxes_from is None else [RegionSource(boxes_from, run, device) for run in opened]
    tell = _silent if quiet else say
    if tiling is not None and overlap is None:
        tell(str(tiling))
    dataset = evaluation_dataset(first, data, format)
    if selection.labels is not None:
        dataset = ClassSubset(dataset, selection.labels)
    split = split or usual_split(dataset.splits)
    data_survey = survey(dataset, strict=strict, splits=[split])
    work = _Work(opened, dataset, data_survey, split, device, batch_size, workers, strict, tell)
    results = _evaluate_whole(work) if tiling is None else _evaluate_tiles(work, tiling)
    for result in results:
        result.defects = [*data_survey.defects, *result.defects]
    if len(opened) > 1:
        results.append(ensemble_results(first.task, first.info, work.predictions, dataset, split))
    if tiling is None:
        for run, result in zip(opened, results, strict=False):
            compare_simpler(result, run, dataset, work.indices, device)
    results += [_evaluate_regions(work, run, source) for run, source in zip(opened, sources, strict=False)]
    train = data_survey.splits.get("train", [])
    for result in results:
        result.baseline = baseline(first.task, first.info, dataset, train or work.indices, work.indices)
    return results


def evaluate_watched(
    run: TrainedModel,
    data: Any,
    *,
    split: str,
    device: str,
    format: str | None,
    watch: Callable[[Dataset[Any], Sequence[int]], Watch],
) -> Results:
    """One run evaluated with `watch` told of its predictions; that is made of the dataset and the indices evaluated."""
    dataset = evaluation_dataset(run, data, format)
    data_survey = survey(dataset, splits=[split])
    work = _Work([run], dataset, data_survey, split, device, None, None, False, _silent)
    work.watch = watch(dataset, work.indices)
    (result,) = _evaluate_whole(work)
    return result


@dataclass
class _Work:
    """What one call works with."""

    runs: list[TrainedModel]
    dataset: Dataset[Any]
    data_survey: Survey
    split: str
    device: str
    batch_size: int | None
    workers: int | None
    strict: bool
    say: Callable[[str], None]
    watch: Watch | None = None

    def __post_init__(self) -> None:
        self.indices = self.data_survey.readable(self.dataset, self.split)
        self.predictions: list[dict[int, Any]] = [{} for _ in self.runs]  # by sample, of several runs alone


def _check_alike(runs: Sequence[TrainedModel]) -> None:
    """Raises RecipeError where there is no run, or where runs cannot be evaluated by the same metric."""
    if not runs:
        raise RecipeError("nothing to evaluate: expected at least one run")
    first = runs[0]
    for run in runs[1:]:
        if run.task.name != first.task.name:
            raise RecipeError(
                f"{run.folder} is a run of {run.task.name}, {first.folder} of {first.task.name}: not comparable"
            )
        if run.class_names != first.class_names:
            raise RecipeError(f"{run.folder} and {first.folder} know different classes: an ensemble needs the same")


def evaluation_dataset(run: TrainedModel, data: Any, format: str | None) -> Dataset[Any]:
    """The data named, else those that the run was trained on, by the names of the run's classes.

    Raises:
        RecipeError: nothing names them.
        DataError: they cannot be read, or the run knows nothing of them.
    """
    if data is None and run.about["data"] is None:
        name = run.model_name
        raise RecipeError(f"{name} is no run, so its data must be named: zorki evaluate {name} DATA --weights FILE")
    source, names = data_of_run(run.about, run.class_names, data)
    forced = format if format is not None else (run.recipe.format if data is None else None)
    dataset = read_data(run.task, source, run.recipe, format=forced, class_names=names)
    run.task.data.check_evaluation(dataset, run.info)
    return dataset


def _selecting(model: Model[Any, Any, Any], selection: Selection) -> Model[Any, Any, Any]:
    if selection != Selection() and not isinstance(model, SelectsPredictions):
        raise RecipeError(
            f"{type(model).__name__} does not choose among candidates, so its evaluation has no conf, iou, max_det or "
            "classes; leave them out"
        )
    return select(model, selection)


def _silent(words: str) -> None:
    """In the place of print."""


def _evaluate_whole(work: _Work) -> list[Results]:
    """One run after the other, by batches."""
    results = []
    for run, predictions in zip(work.runs, work.predictions, strict=True):
        precompute(run.model.preprocess, work.dataset, work.indices, work.say)
        settings: dict[str, Any] = {
            "batch_size": work.batch_size, "workers": work.workers, "strict": work.strict, "device": work.device,
        }  # fmt: skip
        loader = eval_loader(run, work.dataset, work.indices, **settings)
        reference = reference_loader(run, work.dataset, work.data_survey.splits, work.split, **settings)
        result = evaluate_split(
            run.on_device(work.device),
            loader,
            run.task,
            run.info,
            split=work.split,
            device=work.device,
            keep=False,
            kept_predictions=predictions if len(work.runs) > 1 else None,
            watch=work.watch,
            reference=reference,
        )
        results.append(result)
    return results


def _evaluate_tiles(work: _Work, tiling: Tiling) -> list[Results]:
    """The same tile by tile, each image read once for all runs; without losses."""
    models = [run.on_device(work.device).eval() for run in work.runs]
    metrics = [run.task.evaluation.metric(run.info) for run in work.runs]
    at_once = work.batch_size or AT_ONCE
    defects: list[Defect] = []
    for index in work.indices:
        try:
            sample = work.dataset[index]
        except DataError as error:
            defects.append(defect_of(work.dataset, index, error, strict=work.strict))
            continue
        tiles = tiling.of(*sample.image.shape[-2:])
        found = predict_tiles(models, HeldImage(sample.image), tiles, batch_size=at_once, device=work.device)
        for metric, prediction, predictions in zip(metrics, found, work.predictions, strict=True):
            metric.update([prediction], [sample.target])
            if len(work.runs) > 1:
                predictions[index] = prediction
    count = len(work.indices) - len(defects)
    return [
        Results(split=work.split, count=count, metrics=metric.compute(), losses={}, defects=list(defects))
        for metric in metrics
    ]


def _evaluate_regions(work: _Work, run: TrainedModel, regions: RegionSource) -> Results:
    """With a detector's boxes, without losses: nobody says which of its boxes is about which object."""
    model, metric = (
        run.on_device(work.device).eval(),
        run.task.evaluation.metric(run.info),
    )
    defects: list[Defect] = []
    for index in work.indices:
        try:
            sample = work.dataset[index]
        except DataError as error:
            defects.append(defect_of(work.dataset, index, error, strict=work.strict))
            continue
        metric.update(predict_images(model, [sample.image], work.device, regions), [sample.target])
    count = len(work.indices) - len(defects)
    return Results(split=work.split, count=count, metrics=metric.compute(), losses={}, defects=defects)
