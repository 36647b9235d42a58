"""Training: read, look, choose, build, check, fit, judge, report. Names no task and no network."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
import yaml

from zorki import registry
from zorki.contracts import Dataset, Model, Results
from zorki.contracts.capabilities import MeasuresPixels, Precomputes
from zorki.engine.data_check import survey
from zorki.engine.data_source import data_of_run, read_data, source_of
from zorki.engine.device import on_device, rank
from zorki.engine.evaluation import evaluate
from zorki.engine.evaluation.benchmark_run import peak_memory
from zorki.engine.evaluation.compare import COST
from zorki.engine.precompute import precompute
from zorki.engine.run import checkpoints, logs
from zorki.engine.run import defaults as choices
from zorki.engine.run import open as runs
from zorki.engine.run.changes import changed
from zorki.engine.run.environment import environment
from zorki.engine.run.job import Work
from zorki.engine.training.checks import (
    check_forward,
    check_machine,
    check_validation,
    fingerprint,
    tell_data,
    train_indices_of,
)
from zorki.engine.training.loaders import gather_defects, train_loader_of, val_loader_of, validate
from zorki.engine.training.loop import Conductor, Learner, make_trainer
from zorki.engine.training.progress import Progress
from zorki.errors import DataError, RecipeError, WeightsError
from zorki.files import write_json, write_text
from zorki.recipe import Recipe
from zorki.settings import by_field
from zorki.task_settings import recipe_for, task_settings
from zorki.weights import load_into, read_weights, resolve, save_weights

SHEET = 2048  # training images from which pixel statistics are measured
FOLDER_VARIABLE = "ZORKI_RUN_FOLDER"  # tells the processes that Lightning starts where the first one writes


def train(
    model: str,
    data: Any,
    *,
    recipe: Recipe | None = None,
    quiet: bool = False,
    class_names: Sequence[str] | None = None,
    **settings: Any,
) -> runs.Run:
    """Trains a model on a data set and returns the run, judged, with its report written.

    Args:
        model: a name that `zorki models` lists.
        data: a folder or file that the model's task reads; or a torch dataset of (image, target), or such by split,
            {"train": ..., "val": ...}: see `zorki.data.annotations.torch_dataset`.
        recipe: settings of the run; single fields can be given by name instead, such as `epochs=5`.
        quiet: print nothing.
        class_names: the names of a torch dataset's labels; "background" first where these count from 1. Of files, the
            labels' order.

    Raises:
        ZorkiError: data, settings, weights, or the machine cannot serve; what was learned so far stays on disk.
    """
    say = _speaker(quiet)
    entry = registry.find(model)
    said = {**(recipe.said() if recipe is not None else {}), **by_field(settings, Recipe, *task_settings())}
    wish = recipe_for(entry.task.settings or Recipe, entry.task.name, said)
    said = {name: value for name, value in said.items() if name in wish.to_json()}
    if not entry.task.trainable:
        raise RecipeError(f"{entry.name} learns nothing from data; use it as it is: zorki predict {entry.name} IMAGE")
    check_machine(wish)
    dataset = read_data(entry.task, data, wish, format=wish.format, class_names=class_names)
    say(f"data: {dataset.root} read as {dataset.format} ({dataset.reason}); splits: {dataset.split_reason}")
    looked = survey(dataset, strict=wish.strict).learn_from(wish.train_on)
    task, info = entry.task, entry.task.data.class_info(dataset)
    tell_data(dataset, looked, say)
    train_indices = train_indices_of(looked, wish)
    task.data.check(dataset, train_indices)
    check_validation(looked, wish)
    lightning.seed_everything(wish.seed, verbose=False)
    network = runs.build(entry.name, len(info), wish)
    full, chosen = choices.complete(wish, network, dataset, len(train_indices))
    for choice in chosen:
        say(f"chosen: {choice}")
    _start_from(network, entry, full, dataset, train_indices, say)
    task.data.configure(network, full, dataset, train_indices)
    if task.unit != "video":  # whose frames are cut before a network sees them
        check_forward(network, dataset, train_indices)
    folder = _folder(entry.name, full)
    source = source_of(data)
    about = {
        "model": entry.name,
        "task": task.name,
        "class_names": list(info.names),
        "data_class_names": None if class_names is None else list(class_names),
        "class_info": runs.class_info_json(info),
        "data": source,
        "format": dataset.format,
        "counts": {split: len(indices) for split, indices in looked.splits.items()},
        "train_count": len(train_indices),
        "preprocess": network.preprocess.to_json(),
        "parameters": sum(p.numel() for p in network.parameters()),
        "said": {name: full.to_json()[name] for name in said},
        "choices": [dataclasses.asdict(choice) for choice in chosen],
        "recipe": full.to_json(),
        "fingerprint": fingerprint(dataset, train_indices),
        "repeat": shlex.join(
            [
                "zorki",
                "train",
                entry.name,
                source,
                "--recipe",
                str(folder / runs.RECIPE),
                *[f"--plugin={one}" for one in registry.plugins()],
            ]
        ),
        "plugins": registry.plugins(),
        "environment": environment(),
    }
    if _is_first():
        write_json(folder / runs.ABOUT, about)
        again = {name: value for name, value in full.to_json().items() if name != "name"}
        write_text(folder / runs.RECIPE, yaml.safe_dump(again, sort_keys=False, allow_unicode=True))
    say(f"run: {folder}")
    return _fit(Work(entry, task, info, dataset, looked, full, network, folder, about), say, None)


def resume(folder: str | Path, *, data: Any = None, quiet: bool = False, **settings: Any) -> runs.Run:
    """Goes on with a run that was stopped or killed, as if it had never been: losses are equal to the last bit.

    Args:
        data: the dataset in Python that it was trained on; None reads its folder or file.
        quiet: print nothing.
        settings: those of `zorki.engine.run.changes.CHANGEABLE` that change from here on, such as more `epochs`.

    Raises:
        WeightsError: no run is there, or its data have changed.
        RecipeError: a setting would make it another training.
    """
    folder = Path(folder)
    about, told = changed(runs.read_about(folder), settings)
    say = _speaker(quiet)
    for one in told:
        say(f"changed: {one}")
    recipe = runs.recipe_of(about)
    check_machine(recipe)
    entry = registry.find(about["model"])
    source, names = data_of_run(about, about["class_names"], data)
    dataset = read_data(entry.task, source, recipe, format=recipe.format, class_names=names)
    looked = survey(dataset, strict=recipe.strict).learn_from(recipe.train_on)
    train_indices = train_indices_of(looked, recipe)
    if fingerprint(dataset, train_indices) != about["fingerprint"]:
        raise WeightsError(
            f"{folder}: began with {about['train_count']} training images; now {about['data']} holds "
            f"{len(train_indices)}, or their names or labels have changed. Put the data back, or start anew"
        )
    task, info = entry.task, runs.class_info_of(about, entry.task, folder)
    info = dataclasses.replace(info, score_threshold=None, threshold_split=None)  # of the weights there were
    lightning.seed_everything(recipe.seed, verbose=False)
    network = runs.build_trained(entry.name, len(info), recipe, about.get("preprocess"))
    checkpoint: Path | None = None
    done = -1
    if (folder / checkpoints.LAST).exists():
        checkpoint, done = checkpoints.check(folder)
    else:
        say("no checkpoint was written yet: starting from the beginning")
        _start_from(network, entry, recipe, dataset, train_indices, say)
    if _is_first():
        logs.Log(folder).cut(done)
        if told:
            write_json(folder / runs.ABOUT, about)
    task.data.configure(network, recipe, dataset, train_indices)
    return _fit(Work(entry, task, info, dataset, looked, recipe, network, folder, about), say, checkpoint)


def _speaker(quiet: bool) -> Callable[[str], None]:
    return partial(print, flush=True) if not quiet and _is_first() else _silent


def _is_first() -> bool:
    return rank() == 0


def _folder(name: str, recipe: Recipe) -> Path:
    if FOLDER_VARIABLE in os.environ and not _is_first():
        return Path(os.environ[FOLDER_VARIABLE])
    launched = os.environ.get("TORCHELASTIC_RUN_ID", os.environ.get("SLURM_JOB_ID") if recipe.nodes > 1 else None)
    if launched is not None and recipe.name is None:  # all processes must find the same name without talking
        folder = Path(recipe.out) / f"{runs.folder_name(name)}-{launched}-{os.environ.get('MASTER_PORT', '0')}"
        if _is_first() and (folder / runs.ABOUT).exists():
            raise WeightsError(f"{folder}: is there already; give --name, or another --rdzv-id to torchrun")
        folder.mkdir(parents=True, exist_ok=True)
    elif launched is not None and not _is_first():
        folder = Path(recipe.out) / str(recipe.name)
    else:
        folder = runs.new_folder(Path(recipe.out), name, recipe.name)
    if recipe.devices > 1:
        os.environ[FOLDER_VARIABLE] = str(folder)
    return folder


def _start_from(
    network: Model[Any, Any, Any],
    entry: registry.Entry,
    recipe: Recipe,
    dataset: Dataset[Any],
    indices: list[int],
    say: Callable[[str], None],
) -> None:
    """Weights where the recipe names some, and pixel statistics of the training images."""
    if recipe.weights is not None:
        found = read_weights(resolve(recipe.weights, entry.weights, entry.name))
        say(load_into(network, found, network.weight_map).summary())
    _measure(network, recipe, dataset, indices)


def _measure(network: Model[Any, Any, Any], recipe: Recipe, dataset: Dataset[Any], indices: list[int]) -> None:
    if recipe.normalize is None or recipe.normalize == "weights" or not isinstance(network, MeasuresPixels):
        return
    stride = max(1, len(indices) // SHEET)
    preprocess = network.preprocess.pixels if isinstance(network.preprocess, Precomputes) else network.preprocess
    images = []
    for index in indices[::stride][:SHEET]:
        try:
            inputs = preprocess([dataset[index].image])[0]
        except DataError:
            continue
        pixels = inputs if isinstance(inputs, torch.Tensor) else inputs.images
        images.append(pixels.flatten(0, -4))  # views and frames count as images
    if len({image.shape for image in images}) > 1:
        if recipe.normalize == "mean_image":
            raise RecipeError("normalize is mean_image, but the network takes images of many sizes; say mean_std")
        images = [torch.cat([image.flatten(2)[:, :, None] for image in images], 3)]  # one long row
    if images:
        network.measure_pixels(torch.cat(images), recipe.normalize)


def _fit(work: Work, say: Callable[[str], None], checkpoint: Path | None) -> runs.Run:
    recipe, folder = work.recipe, work.folder
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    network = on_device(work.model, "cpu")  # Lightning moves it on
    if recipe.compile:
        network.compile()
    world = recipe.devices * recipe.nodes
    held_out = {index for split, indices in work.looked.splits.items() if split != "train" for index in indices}
    images = sorted(held_out | set(train_indices_of(work.looked, recipe)))
    precompute(network.preprocess, work.dataset, images, say, world=world)
    train_loader = train_loader_of(work, world)
    val_loader = val_loader_of(work, world)
    progress = Progress(recipe.epochs or 0, work.task.monitor, active=_is_first() and say is not _silent)
    kept = logs.loggers(folder, recipe.wandb)
    log = logs.Log(folder, kept, active=_is_first())
    conductor = Conductor(
        recipe,
        folder,
        validate=None if val_loader is None else partial(validate, work, val_loader, world),
        monitor=work.task.monitor,
        log=log,
        progress=progress,
        keep_best=partial(_keep_best, work),
        gather=partial(gather_defects, work, train_loader),
    )
    trainer = make_trainer(recipe, [conductor], kept, folder)
    started = time.monotonic()
    try:
        trainer.fit(Learner(network, recipe), train_loader, ckpt_path=checkpoint, weights_only=True)
    finally:
        conductor.close()
        train_loader.close()
        if val_loader is not None:
            val_loader.close()
        os.environ.pop(FOLDER_VARIABLE, None)
    if not trainer.is_global_zero:
        raise SystemExit(0)
    write_json(folder / COST, {"train_seconds": conductor.seconds, "peak_memory": peak_memory(recipe.device or "cpu")})
    say(f"trained in {time.monotonic() - started:.0f} s; best epoch {conductor.best_epoch + 1}")
    return _finish(work, conductor, say)


def _silent(text: str) -> None:
    """Says nothing."""


def _keep_best(work: Work, model: Model[Any, Any, Any], facts: dict[str, Any]) -> None:
    metadata = {
        "model": work.entry.name,
        "task": work.task.name,
        "class_names": json.dumps(work.info.names, ensure_ascii=False),
        "preprocess": json.dumps(model.preprocess.to_json()),
        **{name: str(value) for name, value in facts.items()},
    }
    save_weights(work.folder / runs.BEST, model, metadata)


def _finish(work: Work, conductor: Conductor, say: Callable[[str], None]) -> runs.Run:
    """Judges the best weights on every held-out split, and writes the figures and the report.

    The run is opened from its folder, as it will be by others later, so what is judged is what they get. Validation
    comes first: what the run learns there about its answers, such as the score from which they count, holds for test.
    """
    from zorki.engine.run.report import write_report

    run = runs.load(work.folder)
    run.info = work.info
    device = work.recipe.device or "cpu"
    on_device(run.model, device)
    found: dict[str, Results] = {}
    train = work.looked.splits["train"]
    for split in ("val", "test"):
        indices = work.looked.splits.get(split, [])
        if not indices:
            continue
        loader = evaluate.eval_loader(run, work.dataset, indices, workers=work.recipe.workers, device=device)
        stride = max(1, len(indices) // evaluate.SAMPLES)
        reference = evaluate.reference_loader(run, work.dataset, work.looked.splits, split, workers=0, device=device)
        settings: dict[str, Any] = {"split": split, "device": device, "sample_stride": stride, "reference": reference}
        result = evaluate.judge(run.model, loader, run.task, run.info, **settings)
        loader.close()
        result.baseline = evaluate.baseline(run.task, run.info, work.dataset, train, indices)
        work.looked.add(result.defects)
        found[split] = result
        if run.info == work.info:  # of the first split that tells something: what comes after is judged by it
            run.info = run.task.evaluation.learn(run.info, result.metrics.scalars(), split)
        monitor = work.task.monitor
        beside = f" (baseline {result.baseline[monitor]:.4f})" if result.baseline else ""
        say(f"{split}: {monitor} {result.metrics.scalars()[monitor]:.4f}{beside}, on {result.count} images")
        if run.info.threshold_split == split:
            say(f"predictions count from a score of {run.info.score_threshold:.3f}, the best on {split}")
    write_json(work.folder / runs.RESULTS, {split: runs.result_json(result) for split, result in found.items()})
    run.about["class_info"] = runs.class_info_json(run.info)
    write_json(work.folder / runs.ABOUT, run.about)
    path = write_report(run, work.dataset, work.looked, found, first_loss=conductor.first_loss)
    say(f"report: {path}")
    return run
