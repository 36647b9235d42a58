"""Training: read, look, choose, build, check, fit, judge, report. Names no task and no network."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import shlex
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
from zorki.engine.device import best_device, check_device, rank
from zorki.engine.environment import environment
from zorki.engine.learner import Conductor, Interrupted, Learner, make_trainer
from zorki.engine.progress import Progress
from zorki.engine.survey import Survey, summary, survey
from zorki.errors import DataError, RecipeError, WeightsError
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
    said = {**(recipe.said() if recipe is not None else {}), **settings}
    wish = Recipe.of(said)
    say = _speaker(quiet)
    entry = registry.find(model)
    _check_machine(wish)
    dataset = entry.task.read(Path(data), format=wish.format, max_pixels=wish.max_pixels)
    say(f"data: {dataset.root} read as {dataset.format} ({dataset.reason}); splits: {dataset.split_reason}")
    looked = survey(dataset, strict=wish.strict)
    task = entry.task(dataset.class_names)
    _report_data(dataset, looked, say)
    train_indices = _train_indices(looked, wish)
    task.check(dataset, train_indices)
    _check_validation(looked, wish)
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
    source = str(Path(data).resolve()) if Path(data).exists() else str(data)
    about = {
        "model": entry.name,
        "task": task.name,
        "class_names": task.class_names,
        "data": source,
        "format": dataset.format,
        "counts": {split: len(indices) for split, indices in looked.splits.items()},
        "train_count": len(train_indices),
        "preprocess": network.preprocess.to_json(),
        "parameters": sum(p.numel() for p in network.parameters()),
        "said": {name: full.to_json()[name] for name in said},
        "choices": [dataclasses.asdict(choice) for choice in chosen],
        "recipe": full.to_json(),
        "fingerprint": _fingerprint(dataset, train_indices),
        "repeat": shlex.join(["zorki", "train", entry.name, source, "--recipe", str(folder / runs.RECIPE)]),
        "environment": environment(),
    }
    if _is_first():
        write_json(folder / runs.ABOUT, about)
        again = {name: value for name, value in full.to_json().items() if name != "name"}
        write_text(folder / runs.RECIPE, yaml.safe_dump(again, sort_keys=False, allow_unicode=True))
    say(f"run: {folder}")
    return _fit(_Work(entry, task, dataset, looked, full, network, folder, about), say, None)


def resume(folder: str | Path, *, quiet: bool = False) -> runs.Run:
    """Goes on with a run that was stopped or killed, as if it had never been: losses are equal to the last bit.

    Raises:
        WeightsError: no run is there, or its data have changed.
    """
    folder = Path(folder)
    about = runs.read_about(folder)
    say = _speaker(quiet)
    recipe = runs.recipe_of(about)
    _check_machine(recipe)
    entry = registry.find(about["model"])
    dataset = entry.task.read(
        Path(about["data"]), format=recipe.format, class_names=about["class_names"], max_pixels=recipe.max_pixels
    )
    looked = survey(dataset, strict=recipe.strict)
    train_indices = _train_indices(looked, recipe)
    if _fingerprint(dataset, train_indices) != about["fingerprint"]:
        raise WeightsError(
            f"{folder}: began with {about['train_count']} training pictures; now {about['data']} holds "
            f"{len(train_indices)}, or their names or labels have changed. Put the data back, or start anew"
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
    return rank() == 0


def _check_machine(recipe: Recipe) -> None:
    """Raises ZorkiError before anything is made, where the machine cannot do what the recipe says."""
    logs.check_loggers(recipe.wandb)
    device = check_device(recipe.device or best_device()[0], recipe.devices)
    if device == "cpu" and recipe.precision == "16":
        raise RecipeError("precision is 16, but the processor has no quick float16; say bf16 or 32")
    world = int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1")))
    if "TORCHELASTIC_RUN_ID" in os.environ and world != recipe.devices * recipe.nodes:
        raise RecipeError(
            f"torchrun started {world} processes, but devices is {recipe.devices} and nodes {recipe.nodes}; "
            "say --devices and --nodes as torchrun was told"
        )


def _check_validation(looked: Survey, recipe: Recipe) -> None:
    if looked.splits.get("val"):
        return
    for name, asked in (("patience", recipe.patience is not None), ("schedule plateau", recipe.schedule == "plateau")):
        if asked:
            raise RecipeError(f"{name} watches validation, but the data have no validation picture; leave it out")


def _fingerprint(dataset: Dataset[Any], indices: list[int]) -> str:
    """A hash of which pictures are trained on and what they are called: another order is another run."""
    digest = hashlib.sha256()
    for index in indices:
        path, target = dataset.path(index), dataset.target(index)
        name = path.relative_to(dataset.root) if path.is_relative_to(dataset.root) else path
        digest.update(f"{name.as_posix()}\t{target.to_json()}\n".encode())
    return digest.hexdigest()


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
    launched = os.environ.get("TORCHELASTIC_RUN_ID", os.environ.get("SLURM_JOB_ID") if recipe.nodes > 1 else None)
    if launched is not None and recipe.name is None:  # all processes must find the same name without talking
        folder = Path(recipe.out) / f"{name.replace(':', '-')}-{launched}-{os.environ.get('MASTER_PORT', '0')}"
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
    world = recipe.devices * recipe.nodes
    train_loader = _train_loader(work, world)
    val_loader = _val_loader(work, world)
    progress = Progress(recipe.epochs or 0, work.task.monitor, active=_is_first() and say is not _silent)
    kept = logs.loggers(folder, recipe.wandb)
    log = logs.Log(folder, kept, active=_is_first())
    if checkpoint is not None and _is_first():
        log.cut(_step_of(checkpoint))
    conductor = Conductor(
        recipe,
        folder,
        validate=None if val_loader is None else partial(_validate, work, val_loader, world),
        monitor=work.task.monitor,
        log=log,
        progress=progress,
        keep_best=partial(_keep_best, work),
        gather=partial(_gather_defects, work, train_loader),
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
    say(f"trained in {time.monotonic() - started:.0f} s; best epoch {conductor.best_epoch + 1}")
    return _finish(work, conductor, say)


def _silent(text: str) -> None:
    """Says nothing."""


def _gather_defects(work: _Work, loader: Loader[Any], trainer: lightning.Trainer) -> None:
    """What any process could not read joins what the look found; asked once an epoch."""
    found: list[Any] = [loader.defects]
    if trainer.world_size > 1:
        found = [None] * trainer.world_size
        torch.distributed.all_gather_object(found, loader.defects)
    known = set(work.looked.defects)
    work.looked.defects += [
        defect for defect in dict.fromkeys(itertools.chain.from_iterable(found)) if defect not in known
    ]


def _step_of(checkpoint: Path) -> int:
    """Batches done when the checkpoint was written, over all epochs."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return int(state["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["ready"])


def _train_loader(work: _Work, world: int) -> Loader[Any]:
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
        rank=rank(),
        world=world,
        pin_memory=recipe.device == "cuda",
    )


def _augment(task: Task[Any, Any], recipe: Recipe, sample: Any, generator: torch.Generator) -> Any:
    return task.augment(sample, recipe, generator)


def _mix(task: Task[Any, Any], recipe: Recipe, batch: Any, generator: torch.Generator) -> Any:
    return task.mix(batch, recipe, generator)


def _val_loader(work: _Work, world: int) -> Loader[Any] | None:
    indices = work.looked.splits.get("val", [])
    if not indices:
        return None
    recipe = work.recipe
    assert recipe.batch_size is not None
    return Loader(
        Pipeline(work.dataset, preprocess=work.model.preprocess, strict=recipe.strict),
        indices,
        batch_size=recipe.batch_size,
        workers=recipe.workers or 0,
        rank=rank(),
        world=world,
        pin_memory=recipe.device == "cuda",
    )


def _validate(work: _Work, loader: Loader[Any], world: int, model: Model[Any, Any, Any]) -> dict[str, Any]:
    if world > 1:  # each process has seen other pictures: statistics of batch norm differ until one's are taken
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, 0)
    result = evaluate.judge(
        model,
        loader,
        work.task,
        split="val",
        device=next(model.parameters()).device,
        precision=work.recipe.precision or "32",
        keep=False,
        gather=world > 1,
    )
    return {**result.figures, "loss": sum(result.losses.values())}


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
        size = max(1, (work.recipe.batch_size or 64) // (work.recipe.devices * work.recipe.nodes))
        loader = evaluate.eval_loader(
            run, work.dataset, indices, batch_size=size, workers=work.recipe.workers, device=device
        )
        stride = max(1, len(indices) // evaluate.SAMPLES)
        result = evaluate.judge(run.model, loader, work.task, split=split, device=device, sample_stride=stride)
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
