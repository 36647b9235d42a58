"""Judging: one pass over a split, with the metric of the task and a baseline that never looked at the images."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from zorki import registry
from zorki.contracts import Dataset, Metric, Model, Results, Targets, Task
from zorki.contracts.capabilities import Selection, SelectsCandidates, TakesReference
from zorki.data.loading.loader import Loader, Pipeline
from zorki.data.loading.pipeline import defect_of
from zorki.data.windows import HeldImage
from zorki.engine.data_check import survey
from zorki.engine.data_source import data_of_run, read_data
from zorki.engine.device import autocast, best_device, check_device, on_device, seeded
from zorki.engine.evaluation.class_subset import ClassSubset
from zorki.engine.evaluation.units import answer_batch, eval_preprocess
from zorki.engine.precompute import precompute
from zorki.engine.prediction.selection import Classes, select, selection_of
from zorki.engine.prediction.tiling import AT_ONCE, Tiling, answer_tiles, plan_tiling
from zorki.engine.run import defaults as choices
from zorki.engine.run.open import Run, build, build_trained, is_run, load
from zorki.errors import DataError, RecipeError, ZorkiError, did_you_mean
from zorki.recipe import Recipe
from zorki.types import Batch, ClassInfo, Defect

WORST, SAMPLES = 24, 24  # images kept for the report
FEW = 16  # annotations held at once: some are as large as images


def evaluate(
    runs: Sequence[Run | str | Path] | Run | str | Path,
    data: Any = None,
    *,
    split: str | None = None,
    weights: str | Path | None = None,
    format: str | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    workers: int | None = None,
    strict: bool = False,
    options: Mapping[str, str] | None = None,
    conf: float | None = None,
    iou: float | None = None,
    max_det: int | None = None,
    classes: Classes | None = None,
    tile: int | None = None,
    overlap: int | None = None,
    quiet: bool = False,
) -> list[Results]:
    """Judges runs, or a model with weights, on one split; several also together, as an ensemble.

    Args:
        runs: one or several run folders, or `Run`s; or a model's name, where `weights` says what it knows.
        data: the dataset; None takes what the first run was trained on. A torch dataset is passed as to `train`.
        split: train, val, test, or all; None takes the first of test, val and all that holds an image.
        options: arguments of the model's builder, in the place of those that a run was trained with: a larger `size`
            of images, more answers.
        conf: minimum score of predictions that are judged, 0..1. Average precision wants low ones, too.
        iou: IoU threshold of non-maximum suppression, 0..1.
        max_det: predictions an image at most, the best.
        classes: names or labels of those that are judged, objects and predictions alike; None: all. All images stay.
        tile: images are answered by tiles of so many pixels, as `predict` answers them, and no loss is worked out;
            None: whole. `batch_size` counts tiles then.
        overlap: pixels that neighboring tiles share; None: an eighth of `tile`, or more where the network needs it.
        quiet: print nothing, not even how far a long preparation is.

    Returns:
        Results in the order of `runs`, and at the end those of the ensemble, where there are several.

    Raises:
        ZorkiError: no such run, data, split; classes that differ; or a tile that does not go with the models.
    """
    listed = [runs] if isinstance(runs, str | Path | Run) else list(runs)
    if not listed:
        raise RecipeError("nothing to evaluate: expected at least one run")
    if batch_size is not None and batch_size < 1:
        raise RecipeError(f"batch_size is {batch_size}; expected at least 1")
    device = check_device(device or best_device()[0])
    opened = open_all(listed, weights, data, format, options)
    first = opened[0]
    for run in opened[1:]:
        if run.task.name != first.task.name:
            raise RecipeError(
                f"{run.folder} is a run of {run.task.name}, {first.folder} of {first.task.name}: not comparable"
            )
        if run.class_names != first.class_names:
            raise RecipeError(f"{run.folder} and {first.folder} know different classes: an ensemble needs the same")
    selection = selection_of(conf, iou, max_det, classes, first.info.names)
    opened = [dataclasses.replace(run, model=_selecting(run.model, selection)) for run in opened]
    tiling = plan_tiling([run.model for run in opened], tile, overlap)
    say = _silent if quiet else print
    if tiling is not None and overlap is None:
        say(str(tiling))
    if data is None and first.about["data"] is None:
        name = first.model_name
        raise RecipeError(f"{name} is no run, so its data must be named: zorki evaluate {name} DATA --weights FILE")
    source, names = data_of_run(first.about, first.class_names, data)
    forced = format if format is not None else (first.recipe.format if data is None else None)
    dataset = read_data(first.task, source, first.recipe, format=forced, class_names=names)
    if selection.labels is not None:
        dataset = ClassSubset(dataset, selection.labels)
    chosen = split or usual_split(dataset.splits)
    looked = survey(dataset, strict=strict, splits=[chosen])
    indices = looked.readable(dataset, chosen)
    everything: list[dict[int, Any]] = [{} for _ in opened]
    shared: dict[str, Any] = {"split": chosen, "device": device, "strict": strict}
    if tiling is None:
        results = _judge_whole(
            opened,
            dataset,
            indices,
            everything,
            looked.splits,
            batch_size=batch_size,
            workers=workers,
            say=say,
            **shared,
        )
    else:
        results = _judge_tiles(opened, dataset, indices, everything, tiling, batch_size=batch_size or AT_ONCE, **shared)
    for result in results:
        result.defects = [*looked.defects, *result.defects]
    if len(opened) > 1:
        results.append(_ensemble(first.task, first.info, everything, dataset, chosen))
    train = looked.splits.get("train", [])
    for result in results:
        result.baseline = baseline(first.task, first.info, dataset, train or indices, indices)
    return results


def _selecting(model: Model[Any, Any, Any], selection: Selection) -> Model[Any, Any, Any]:
    if selection != Selection() and not isinstance(model, SelectsCandidates):
        raise RecipeError(
            f"{type(model).__name__} does not choose among candidates, so its evaluation has no conf, iou, max_det or "
            "classes; leave them out"
        )
    return select(model, selection)


def _silent(words: str) -> None:
    """In the place of print."""


def usual_split(splits: Mapping[str, Sequence[int]]) -> str:
    """What is judged where nobody said: test, else val, else all; small data may have none held out."""
    return next((split for split in ("test", "val") if splits.get(split)), "all")


def open_all(
    runs: Sequence[Run | str | Path],
    weights: str | Path | None = None,
    data: Any = None,
    format: str | None = None,
    options: Mapping[str, str] | None = None,
) -> list[Run]:
    """Each as by `open_run`, but for those that are open. Raises RecipeError where these should get `options`."""
    if options and any(isinstance(run, Run) for run in runs):
        raise RecipeError(
            "options for a run that is open already; expected them where it is: zorki.load(folder, options)"
        )
    return [run if isinstance(run, Run) else open_run(run, weights, data, format, options) for run in runs]


def open_run(
    name: str | Path,
    weights: str | Path | None = None,
    data: Any = None,
    format: str | None = None,
    options: Mapping[str, str] | None = None,
) -> Run:
    """A run from its folder, or made of a model's name and weights; class names come from the weights or the data.

    Raises:
        ZorkiError: it is neither a run nor a model; or a model without weights.
    """
    if is_run(Path(name)):
        if weights is not None:
            raise RecipeError(f"{name} is a run and has weights of its own; leave out --weights {weights}")
        return load(name, options)
    known = [entry.name for entry in registry.entries()]
    if str(name) not in known and ":" not in str(name):
        near = did_you_mean(str(name), known)
        raise ZorkiError(f"{name}: neither a run's folder nor a model's name.{near} `zorki models` lists models.")
    entry = registry.find(str(name))
    if weights is None and not entry.task.trainable:
        info = entry.task.data.default_classes(entry.task.data.usual_classes)
        recipe = Recipe(options=dict(options or {}))
        about = {"model": entry.name, "task": entry.task.name, "data": None}
        network = build(entry.name, len(info), recipe).eval()
        return Run(Path(entry.name), entry.name, entry.task, info, recipe, about, network)
    if weights is None:
        raise RecipeError(
            f"{name} is a model without weights; say --weights FILE (or a word that `zorki info {name}` shows)"
        )
    from zorki.engine.evaluation.class_names import class_names_of, num_classes_of, preprocess_of
    from zorki.weights import load_into, read_weights, resolve

    found = read_weights(resolve(str(weights), entry.weights, entry.name))
    names, task = class_names_of(found), entry.task
    if data is not None:
        info = task.data.class_info(read_data(task, data, Recipe(), format=format, class_names=names))
    elif names is not None:
        info = task.data.complete(ClassInfo(tuple(names)))
    else:
        info = task.data.default_classes(num_classes_of(found, entry))
    recipe = Recipe(weights=str(weights), options=dict(options or {}))
    model = build_trained(entry.name, len(info), Recipe(), preprocess_of(found, entry), options)
    match = load_into(model, found, model.weight_map)
    # Others' files hold no pixel statistics: those that the network was built with are the ones it was published with.
    if match.mismatched or any(not new.startswith("normalize.") for new in match.new):
        raise ZorkiError(f"{weights}: does not fill {name} with {len(info)} classes:\n{match.summary()}")
    about = {"model": entry.name, "task": task.name, "data": str(data) if data is not None else None}
    return Run(Path(str(name)), entry.name, task, info, recipe, about, model.eval())


def eval_loader(
    run: Run,
    dataset: Dataset[Any],
    indices: Sequence[int],
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    strict: bool = False,
    device: str = "cpu",
    rank: int = 0,
    world: int = 1,
) -> Loader[Any]:
    """Batches in the data's order, without chance; as large as those of one device in training, where nobody said."""
    if workers is None:
        workers = choices.worker_count(device, dataset)[0]
    pipeline = Pipeline(dataset, preprocess=eval_preprocess(run.model, run.task), strict=strict)
    size = batch_size or max(1, (run.recipe.batch_size or 64) // (run.recipe.devices * run.recipe.nodes))
    pin = device == "cuda"
    return Loader(pipeline, indices, batch_size=size, workers=workers, pin_memory=pin, rank=rank, world=world)


def reference_loader(
    run: Run, dataset: Dataset[Any], splits: Mapping[str, Sequence[int]], split: str, **settings: Any
) -> Loader[Any] | None:
    """Batches of what the metric sees before a split, see `Evaluation.reference_split`; None where it sees nothing.

    Args:
        settings: of `eval_loader`.

    Raises:
        DataError: the data have no such split.
    """
    name = run.task.evaluation.reference_split(split)
    if name is None:
        return None
    if not splits.get(name):
        there = ", ".join(f"{one} ({len(indices)})" for one, indices in splits.items())
        raise DataError(f"{dataset.root}: {split} is compared with {name}, of which no image is there; found {there}")
    return eval_loader(run, dataset, splits[name], **settings)


def judge(
    model: Model[Any, Any, Any],
    loader: Iterable[Batch[Any]],
    task: Task[Any, Any],
    info: ClassInfo,
    *,
    split: str,
    device: str | torch.device,
    precision: str = "32",
    keep: bool = True,
    sample_stride: int = 1,
    gather: bool = False,
    answers: dict[int, Any] | None = None,
    seed: int | None = 0,
    reference: Iterable[Batch[Any]] | None = None,
) -> Results:
    """One pass without learning.

    Args:
        reference: batches that the metric sees before, see `Evaluation.reference_split`.
        keep: hold on to the most wrong answers and to a few samples, for the report.
        sample_stride: a sample is kept from each so many images; data sorted by class show all classes then.
        gather: join what all processes of a distributed run found.
        answers: filled with each sample's prediction, where given.
        seed: of what losses draw by chance (regions that learn), so that they are the same every time; None leaves the
            generators as they go, as a training does that has to be the same to the last bit.
    """
    metric = task.evaluation.metric(info)
    sums: dict[str, float] = {}
    worst: list[tuple[float, int, Any]] = []
    samples: list[tuple[int, Any]] = []
    count = 0
    order = itertools.count()
    was_training = model.training
    model.eval()
    with torch.inference_mode(), autocast(device, precision), seeded(device, seed):
        for batch in reference or ():
            assert isinstance(metric, TakesReference)
            metric.update_reference(answer_batch(model, batch.to(device), task)[1], batch.targets)
        for batch in loader:
            batch = batch.to(device)
            losses, predictions = answer_batch(model, batch, task)
            metric.update(predictions, batch.targets)
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + float(loss) * len(batch)
            count += len(batch)
            if answers is not None:
                answers.update(zip(batch.indices, predictions, strict=True))
            if keep:
                for index, prediction, target in zip(batch.indices, predictions, batch.targets, strict=True):
                    entry = (task.evaluation.error_score(prediction, target, info), -next(order), (index, prediction))
                    heapq.heappush(worst, entry) if len(worst) < WORST else heapq.heappushpop(worst, entry)
                    if -entry[1] % sample_stride == 0 and len(samples) < SAMPLES:
                        samples.append((index, prediction))
    model.train(was_training)
    defects: list[Defect] = list(loader.defects) if isinstance(loader, Loader) else []
    if gather:
        metric, sums, count = _gathered(metric, sums, count)
    worst.sort(reverse=True)
    return Results(
        split=split,
        count=count,
        metrics=metric.compute(),
        losses={name: total / max(1, count) for name, total in sums.items()},
        worst=[item for _, _, item in worst],
        samples=samples,
        defects=defects,
    )


def _judge_whole(
    runs: Sequence[Run],
    dataset: Dataset[Any],
    indices: Sequence[int],
    everything: Sequence[dict[int, Any]],
    splits: Mapping[str, Sequence[int]],
    *,
    split: str,
    batch_size: int | None,
    workers: int | None,
    device: str,
    strict: bool,
    say: Callable[[str], None],
) -> list[Results]:
    """One run after the other, by batches.

    `everything` is filled with each sample's prediction, a mapping a run, where there are several runs.
    """
    results = []
    for run, found in zip(runs, everything, strict=True):
        precompute(run.model.preprocess, dataset, indices, say)
        settings: dict[str, Any] = {"batch_size": batch_size, "workers": workers, "strict": strict, "device": device}
        loader = eval_loader(run, dataset, indices, **settings)
        reference = reference_loader(run, dataset, splits, split, **settings)
        model, answers = on_device(run.model, device), found if len(runs) > 1 else None
        told: dict[str, Any] = {"split": split, "device": device, "keep": False, "answers": answers}
        results.append(judge(model, loader, run.task, run.info, reference=reference, **told))
    return results


def _judge_tiles(
    runs: Sequence[Run],
    dataset: Dataset[Any],
    indices: Sequence[int],
    everything: Sequence[dict[int, Any]],
    tiling: Tiling,
    *,
    split: str,
    batch_size: int,
    device: str,
    strict: bool,
) -> list[Results]:
    """The same tile by tile, each image read once for all runs; without losses."""
    models = [on_device(run.model, device).eval() for run in runs]
    metrics = [run.task.evaluation.metric(run.info) for run in runs]
    defects: list[Defect] = []
    for index in indices:
        try:
            sample = dataset[index]
        except DataError as error:
            defects.append(defect_of(dataset, index, error, strict=strict))
            continue
        tiles = tiling.of(*sample.image.shape[-2:])
        predictions = answer_tiles(models, HeldImage(sample.image), tiles, batch_size=batch_size, device=device)
        for metric, prediction, answers in zip(metrics, predictions, everything, strict=True):
            metric.update([prediction], [sample.target])
            if len(runs) > 1:
                answers[index] = prediction
    count = len(indices) - len(defects)
    return [
        Results(
            split=split, count=count, metrics=metric.compute(), losses={}, worst=[], samples=[], defects=list(defects)
        )
        for metric in metrics
    ]


def _gathered(
    metric: Metric[Any, Any], sums: dict[str, float], count: int
) -> tuple[Metric[Any, Any], dict[str, float], int]:
    world = torch.distributed.get_world_size()
    parts: list[Any] = [None] * world
    torch.distributed.all_gather_object(parts, (metric, sums, count))
    joined, total, number = parts[0]
    for other, more, n in parts[1:]:
        joined.merge(other)
        total = {name: total.get(name, 0.0) + more.get(name, 0.0) for name in {*total, *more}}
        number += n
    return joined, total, number


def _ensemble(
    task: Task[Any, Any], info: ClassInfo, everything: Sequence[dict[int, Any]], dataset: Dataset[Any], split: str
) -> Results:
    metric = task.evaluation.metric(info)
    common = [index for index in everything[0] if all(index in answers for answers in everything)]
    joined = [task.evaluation.ensemble([answers[index] for answers in everything]) for index in common]
    targets = [dataset.target(index) for index in common]
    metric.update(joined, targets)
    wrong = sorted(
        zip(common, joined, targets, strict=True),
        key=lambda item: task.evaluation.error_score(item[1], item[2], info),
        reverse=True,
    )
    return Results(
        split=split,
        count=len(common),
        metrics=metric.compute(),
        losses={},
        worst=[(index, answer) for index, answer, _ in wrong[:WORST]],
        samples=list(zip(common[:SAMPLES], joined, strict=False)),
    )


def baseline(
    task: Task[Any, Any], info: ClassInfo, dataset: Dataset[Any], train: Sequence[int], indices: Sequence[int]
) -> dict[str, int | float] | None:
    """Scores of the best prediction that does not look at the image; None where the task has none."""
    answer = task.evaluation.baseline(Targets(dataset, train), info)
    if answer is None:
        return None
    metric = task.evaluation.metric(info)
    for start in range(0, len(indices), FEW):
        targets = []
        for index in indices[start : start + FEW]:
            with suppress(DataError):  # an annotation that cannot be read was told before, and is judged nowhere
                targets.append(dataset.target(index))
        metric.update([answer] * len(targets), targets)
    return metric.compute().scalars()
