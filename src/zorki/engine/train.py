"""Training: read, look, choose, build, check, fit, judge, report. Names no task and no network."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
import yaml

from zorki import registry
from zorki.contracts import Dataset, Model, Results, Task
from zorki.data.loader import Loader, Pipeline
from zorki.engine import checkpoints, choices, evaluate, logs
from zorki.engine import run as runs
from zorki.engine.environment import environment
from zorki.engine.learner import Conductor, Interrupted, Learner, make_trainer
from zorki.engine.progress import Progress
from zorki.engine.survey import Survey, summary, survey
from zorki.errors import DataError, WeightsError
from zorki.files import write_json, write_text
from zorki.recipe import Recipe
from zorki.weights import load_into, read_weights, resolve, save_weights

SHEET = 2048  # training pictures from which pixel statistics are measured
FOLDER_VARIABLE = "ZORKI_RUN_FOLDER"  # tells the processes that Lightning starts where the first one writes


@dataclass
class _Work:
    """All that one run needs, before it starts."""

    entry: registry.Entry
    task: Task[Any, Any]
    dataset: Dataset[Any]
    looked: Survey
    recipe: Recipe
    model: Model[Any, Any, Any]
    folder: Path
    about: dict[str, Any]


def train(
    model: str, data: str | Path, *, recipe: Recipe | None = None, quiet: bool = False, **settings: Any
) -> runs.Run:
    """Trains a model on a data set and returns the run, judged, with its report written.

    Args:
        model: a name that `zorki models` lists.
        data: a folder or file that the model's task reads.
        recipe: settings of the run; single fields can be given by name instead, such as `epochs=5`.
        quiet: print nothing.

    Raises:
        ZorkiError: data, settings, weights, or the machine cannot serve; what was learnt so far stays on disk.
    """
    said = recipe.said() if recipe is not None else {}
    wish = Recipe.of({**said, **settings})
    say = _speaker(quiet)
    entry = registry.find(model)
    dataset = entry.task.read(Path(data), format=wish.format, max_pixels=wish.max_pixels)
    say(f"data: {dataset.root} read as {dataset.format} ({dataset.reason}); splits: {dataset.split_reason}")
    looked = survey(dataset, strict=wish.strict)
    task = entry.task(dataset.class_names)
    _report_data(dataset, looked, say)
    train_indices = _train_indices(looked, wish)
    task.check(dataset, train_indices)
    lightning.seed_everything(wish.seed, verbose=False)
    network = runs.build(entry.name, len(dataset.class_names), wish)
    size = _input_size(network, dataset, train_indices)
    full, chosen = choices.complete(
        wish, network, dataset, len(train_indices), size, takes_size="size" in entry.options()
    )
    for choice in chosen:
        say(f"chosen: {choice}")
    _start_from(network, entry, full, dataset, train_indices, say)
    task.configure(network, full, [dataset.target(index) for index in train_indices])
    folder = _folder(entry.name, full)
    about = {
        "model": entry.name,
        "task": task.name,
        "class_names": task.class_names,
        "data": str(Path(data).resolve()) if Path(data).exists() else str(data),
        "format": dataset.format,
        "counts": {split: len(indices) for split, indices in looked.splits.items()},
        "train_count": len(train_indices),
        "preprocess": network.preprocess.to_json(),
        "parameters": sum(p.numel() for p in network.parameters()),
        "said": {**said, **settings},
        "choices": [dataclasses.asdict(choice) for choice in chosen],
        "recipe": full.to_json(),
        "repeat": f"zorki train {entry.name} {data} --recipe {folder / runs.RECIPE}",
        "environment": environment(),
    }
    if _is_first():
        write_json(folder / runs.ABOUT, about)
        write_text(folder / runs.RECIPE, yaml.safe_dump(full.to_json(), sort_keys=False, allow_unicode=True))
    say(f"run: {folder}")
    return _fit(_Work(entry, task, dataset, looked, full, network, folder, about), say, None)


def resume(folder: str | Path, *, quiet: bool = False, devices: int | None = None) -> runs.Run:
    """Goes on with a run that was stopped or killed, as if it had never been: losses are equal to the last bit.

    Raises:
        WeightsError: no run is there, or its data have changed.
    """
    folder = Path(folder)
    about = runs.read_about(folder)
    say = _speaker(quiet)
    recipe = Recipe.of(about["recipe"])
    if devices is not None:
        recipe = dataclasses.replace(recipe, devices=devices)
    entry = registry.find(about["model"])
    dataset = entry.task.read(
        Path(about["data"]), format=recipe.format, class_names=about["class_names"], max_pixels=recipe.max_pixels
    )
    looked = survey(dataset, strict=recipe.strict)
    train_indices = _train_indices(looked, recipe)
    if len(train_indices) != about["train_count"]:
        raise WeightsError(
            f"{folder}: began with {about['train_count']} pictures, {about['data']} holds {len(train_indices)} now; "
            "put the data back as they were, or start anew"
        )
    task = entry.task(about["class_names"])
    lightning.seed_everything(recipe.seed, verbose=False)
    network = runs.build(entry.name, len(task.class_names), recipe)
    checkpoint: Path | None = None
    if (folder / checkpoints.LAST).exists():
        checkpoint = checkpoints.check(folder)
    else:
        say("no checkpoint was written yet: starting from the beginning")
        _start_from(network, entry, recipe, dataset, train_indices, say)
        logs.Log(folder).cut(-1)
    task.configure(network, recipe, [dataset.target(index) for index in train_indices])
    return _fit(_Work(entry, task, dataset, looked, recipe, network, folder, about), say, checkpoint)


def _speaker(quiet: bool) -> Callable[[str], None]:
    return partial(print, flush=True) if not quiet and _is_first() else _silent


def _is_first() -> bool:
    return os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("RANK", "0") == "0"


def _report_data(dataset: Dataset[Any], looked: Survey, say: Callable[[str], None]) -> None:
    counts = ", ".join(f"{name} {len(indices)}" for name, indices in looked.splits.items())
    say(f"      {len(dataset.class_names)} classes; pictures: {counts}")
    if looked.defects:
        say(f"      {len(looked.defects)} defects; broken pictures are left out (--strict stops instead):")
        for line in summary(looked.defects):
            say(f"      {line}")


def _train_indices(looked: Survey, recipe: Recipe) -> list[int]:
    indices = looked.splits.get("train", [])
    if not indices:
        raise DataError(f"nothing to train on: no picture of the split train can be read ({list(looked.splits)})")
    if recipe.limit is not None and recipe.limit < len(indices):
        generator = torch.Generator().manual_seed(0)
        picked = torch.randperm(len(indices), generator=generator)[: recipe.limit].tolist()
        indices = sorted(indices[place] for place in picked)
    return indices


def _input_size(network: Model[Any, Any, Any], dataset: Dataset[Any], indices: list[int]) -> int:
    """The side of the network's input, found by preprocessing one picture."""
    for index in indices:
        try:
            return int(network.preprocess([dataset[index].image])[0].shape[-1])
        except DataError:
            continue
    raise DataError(f"{dataset.root}: none of the {len(indices)} training pictures can be read")


def _folder(name: str, recipe: Recipe) -> Path:
    if FOLDER_VARIABLE in os.environ and not _is_first():
        return Path(os.environ[FOLDER_VARIABLE])
    launched = os.environ.get("TORCHELASTIC_RUN_ID")
    if launched is not None and recipe.name is None:  # all processes must find the same name without talking
        folder = Path(recipe.out) / f"{name.replace(':', '-')}-{launched}-{os.environ.get('MASTER_PORT', '0')}"
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
    """Weights where the recipe names some, and pixel statistics of the training pictures."""
    if recipe.weights is not None:
        say(load_into(network, read_weights(resolve(recipe.weights, entry)), network.rename_weights).summary())
    _measure(network, recipe, dataset, indices)


def _measure(network: Model[Any, Any, Any], recipe: Recipe, dataset: Dataset[Any], indices: list[int]) -> None:
    if recipe.normalise in (None, "weights"):
        return
    stride = max(1, len(indices) // SHEET)
    pictures = []
    for index in indices[::stride][:SHEET]:
        try:
            pictures.append(network.preprocess([dataset[index].image])[0])
        except DataError:
            continue
    if pictures:
        network.normalise.measure(torch.cat(pictures), recipe.normalise)  # type: ignore[operator]


def _fit(work: _Work, say: Callable[[str], None], checkpoint: Path | None) -> runs.Run:
    recipe, folder = work.recipe, work.folder
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    network = work.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if recipe.compile:
        network.compile()
    world, rank = recipe.devices * recipe.nodes, _rank()
    train_loader = _train_loader(work, world, rank)
    progress = Progress(recipe.epochs or 0, work.task.monitor, active=_is_first() and say is not _silent)
    kept = logs.loggers(folder, recipe.wandb)
    log = logs.Log(folder, kept, active=_is_first())
    if checkpoint is not None and _is_first():
        log.cut(_step_of(checkpoint))
    conductor = Conductor(
        recipe,
        folder,
        validate=_validation(work, world, rank),
        monitor=work.task.monitor,
        log=log,
        progress=progress,
        keep_best=partial(_keep_best, work),
    )
    trainer = make_trainer(recipe, [conductor], kept, folder)
    started = time.monotonic()
    try:
        trainer.fit(Learner(network, recipe), train_loader, ckpt_path=checkpoint, weights_only=True)
    finally:
        conductor.close()
        train_loader.close()
        os.environ.pop(FOLDER_VARIABLE, None)
    for defect in train_loader.defects:
        if defect not in work.looked.defects:
            work.looked.defects.append(defect)
    if not trainer.is_global_zero:
        raise SystemExit(0)
    say(f"trained in {time.monotonic() - started:.0f} s; best epoch {conductor.best_epoch + 1}")
    return _finish(work, conductor, say)


def _silent(text: str) -> None:
    """Says nothing."""


def _rank() -> int:
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")))


def _step_of(checkpoint: Path) -> int:
    """Batches done when the checkpoint was written, over all epochs."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return int(state["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["ready"])


def _train_loader(work: _Work, world: int, rank: int) -> Loader:
    recipe, task = work.recipe, work.task
    assert recipe.batch_size is not None
    assert recipe.workers is not None
    indices = _train_indices(work.looked, recipe)
    balance = task.balance([work.dataset.target(index) for index in indices]) if recipe.balanced else None
    pipeline = Pipeline(
        work.dataset,
        augment=partial(_augment, task, recipe),
        # A random crop is fitted whole: the centre crop of evaluation would cut it a second time.
        preprocess=work.model.preprocess.whole() if (recipe.crop or 1.0) < 1 else work.model.preprocess,
        mix=partial(_mix, task, recipe),
        seed=recipe.seed,
        strict=recipe.strict,
    )
    return Loader(
        pipeline,
        indices,
        shuffle=True,
        batch_size=recipe.batch_size,
        drop_last=len(indices) >= 2 * recipe.batch_size,
        workers=recipe.workers,
        weights=balance,
        rank=rank,
        world=world,
        pin_memory=recipe.device == "cuda",
    )


def _augment(task: Task[Any, Any], recipe: Recipe, sample: Any, generator: torch.Generator) -> Any:
    return task.augment(sample, recipe, generator)


def _mix(task: Task[Any, Any], recipe: Recipe, batch: Any, generator: torch.Generator) -> Any:
    return task.mix(batch, recipe, generator)


def _validation(work: _Work, world: int, rank: int) -> Callable[[Model[Any, Any, Any]], dict[str, Any]] | None:
    indices = work.looked.splits.get("val", [])
    if not indices:
        return None
    recipe = work.recipe
    assert recipe.batch_size is not None
    pipeline = Pipeline(work.dataset, preprocess=work.model.preprocess, strict=recipe.strict)
    loader = Loader(
        pipeline,
        indices,
        batch_size=recipe.batch_size,
        workers=recipe.workers or 0,
        rank=rank,
        world=world,
        pin_memory=recipe.device == "cuda",
    )

    def validate(model: Model[Any, Any, Any]) -> dict[str, Any]:
        device = next(model.parameters()).device
        result = evaluate.judge(
            model, loader, work.task, split="val", device=device, precision=recipe.precision or "32", keep=False,
            gather=world > 1,
        )  # fmt: skip
        return {**result.figures, "loss": sum(result.losses.values())}

    return validate


def _keep_best(work: _Work, model: Model[Any, Any, Any], facts: dict[str, Any]) -> None:
    metadata = {
        "model": work.entry.name,
        "task": work.task.name,
        "class_names": json.dumps(work.task.class_names, ensure_ascii=False),
        **{name: str(value) for name, value in facts.items()},
    }
    save_weights(work.folder / runs.BEST, model, metadata)


def _finish(work: _Work, conductor: Conductor, say: Callable[[str], None]) -> runs.Run:
    """Judges the best weights on every held-out split, and writes the figures and the report."""
    from zorki.engine.report import write_report

    load_into(work.model, read_weights(work.folder / runs.BEST))
    run = runs.Run(work.folder, work.entry.name, work.task, work.recipe, work.about, work.model.eval())
    device = work.recipe.device or "cpu"
    run.model.to(device)
    found: dict[str, Results] = {}
    train = work.looked.splits["train"]
    for split in ("val", "test"):
        indices = work.looked.splits.get(split, [])
        if not indices:
            continue
        loader = evaluate.eval_loader(run, work.dataset, indices, workers=work.recipe.workers, device=device)
        result = evaluate.judge(run.model, loader, work.task, split=split, device=device)
        loader.close()
        result.baseline = evaluate.baseline(work.task, work.dataset, train, indices)
        for defect in result.defects:
            if defect not in work.looked.defects:
                work.looked.defects.append(defect)
        found[split] = result
        monitor = work.task.monitor
        beside = f" (baseline {result.baseline[monitor]:.4f})" if result.baseline else ""
        say(f"{split}: {monitor} {result.figures[monitor]:.4f}{beside}, on {result.count} pictures")
    write_json(work.folder / runs.RESULTS, {split: runs.result_json(result) for split, result in found.items()})
    path = write_report(run, work.dataset, work.looked, found, first_loss=conductor.first_loss)
    say(f"report: {path}")
    return run


__all__ = ["Interrupted", "resume", "train"]
