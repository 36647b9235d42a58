"""Training: a plan is made, fitted, and evaluated. Names no task and no network."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from zorki.contracts import Model
from zorki.contracts.capabilities import DrawsInputs, TrainsInStages
from zorki.data.images import write_image
from zorki.engine.device import on_device
from zorki.engine.evaluation.benchmark_run import peak_memory
from zorki.engine.precompute import precompute
from zorki.engine.run import checkpoints, logs
from zorki.engine.run.folder import BEST, COST
from zorki.engine.run.lock import RunLock, run_lock
from zorki.engine.run.open import TrainedModel
from zorki.engine.speed_probe.training_probe import with_fastest_way
from zorki.engine.training.decoding_pace import measure_decoding
from zorki.engine.training.duration import EpochBudget, Forecast, Workload
from zorki.engine.training.learner import Learner
from zorki.engine.training.loaders import (
    draw_examples,
    gather_defects,
    held_out_batches,
    shows_examples,
    train_loader_of,
    val_loader_of,
    validate,
)
from zorki.engine.training.loop import Conductor, make_trainer
from zorki.engine.training.outcome import evaluate_best
from zorki.engine.training.plan import (
    FOLDER_VARIABLE,
    Say,
    TrainingPlan,
    is_first,
    new_plan,
    resumed_plan,
    with_choices,
)
from zorki.engine.training.progress import Progress
from zorki.engine.training.time_trial import choose_epochs
from zorki.errors import WeightsError, ZorkiError
from zorki.files import write_json
from zorki.hub import is_address
from zorki.output import say
from zorki.recipe import Recipe
from zorki.types import Batch, map_tensors
from zorki.weights import save_weights


def train(
    model: str | None,
    data: Any,
    *,
    recipe: Recipe | None = None,
    quiet: bool = False,
    class_names: Sequence[str] | None = None,
    **settings: Any,
) -> TrainedModel:
    """Trains a model; see `zorki.train`."""
    say = _speaker(quiet)
    plan = new_plan(model, data, recipe, settings, class_names, say)
    with run_lock(plan.folder, active=is_first()) as lock:
        return _trained(with_fastest_way(plan, say), lock, say)


def resume(folder: str | Path, *, data: Any = None, quiet: bool = False, **settings: Any) -> TrainedModel:
    """Goes on with a run; see `zorki.resume`."""
    if is_address(folder):
        raise WeightsError(
            f"{folder}: a run on a hub has no checkpoint to go on with; train from its weights: --weights hf://OWNER/NAME"
        )
    say = _speaker(quiet)
    with run_lock(Path(folder), active=is_first()) as lock:
        return _trained(resumed_plan(Path(folder), data, settings, say), lock, say)


def _speaker(quiet: bool) -> Say:
    return partial(say, flush=True) if not quiet and is_first() else _silent


def _silent(text: str) -> None:
    """Says nothing."""


def _trained(plan: TrainingPlan, lock: RunLock, say: Say) -> TrainedModel:
    recipe = plan.recipe
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    network = on_device(plan.model, "cpu", recipe.memory_format)  # Lightning moves it on
    if recipe.compile:
        network.compile()
    precompute(network.preprocess, plan.dataset, _images(plan), say, world=recipe.world)
    if recipe.epochs is None:
        plan = with_choices(plan, [choose_epochs(plan, _workload(plan), say)], say)
        recipe = plan.recipe
    val = plan.data_survey.splits.get("val", [])
    blind = bool(val) and not plan.task.data.has_ground_truth(plan.dataset, val)
    keep_last = blind or plan.task.keeps_last
    if blind and not plan.task.keeps_last:
        say(f"val: its {len(val)} images show no ground truth: the last weights are kept, and nothing stops early")
    started = time.monotonic()
    conductor = _fit(plan, lock, network, say, keep_last=keep_last)
    lock.check()
    spent = {"train_seconds": conductor.seconds, "peak_memory": peak_memory(recipe.main_device)}
    write_json(plan.folder / COST, spent)
    which = "the last epoch is kept" if keep_last else f"best epoch {conductor.best_epoch + 1}"
    say(f"trained in {time.monotonic() - started:.0f} s; {which}")
    if plan.task.unit == "clip" and conductor.seconds > 0 and (pace := measure_decoding(plan)) is not None:
        say(pace.told(len(plan.train_indices) * (recipe.epochs or 1) / conductor.seconds, recipe.workers or 0))
    return evaluate_best(plan, conductor.first_loss, say)


def _images(plan: TrainingPlan) -> list[int]:
    """All that is trained on and evaluated."""
    held_out = {index for split, indices in plan.data_survey.splits.items() if split != "train" for index in indices}
    return sorted(held_out | set(plan.train_indices))


def _fit(plan: TrainingPlan, lock: RunLock, network: Model[Any, Any, Any], say: Say, *, keep_last: bool) -> Conductor:
    """All epochs. Processes beside the first end here."""
    bar = is_first() and say is not _silent
    recipe, folder = plan.recipe, plan.folder
    train_loader, val_loader = train_loader_of(plan), val_loader_of(plan)
    loggers = logs.loggers(folder, recipe.wandb, recipe.mlflow)
    progress = Progress(recipe.epochs or 0, plan.task.monitor, unit=plan.task.unit, active=bar)
    conductor = Conductor(
        recipe,
        folder,
        validate=None if val_loader is None else partial(validate, plan, val_loader),
        monitor=plan.task.monitor,
        log=logs.Log(folder, loggers, active=is_first()),
        progress=progress,
        keep_best=partial(_keep_best, plan),
        keep_last=keep_last,
        forecast=Forecast(_workload(plan), progress.say) if bar else None,
        check_folder=lock.check,
        held_out=partial(held_out_batches, plan),
        gather=partial(gather_defects, plan, train_loader),
        examples=partial(draw_examples, plan) if shows_examples(plan) else None,
        budget=_epoch_budget(plan),
        first_batch=partial(_draw_inputs, plan, progress.say if bar else say),
    )
    trainer = make_trainer(recipe, [conductor], loggers, folder, progress.say if bar else say)
    try:
        with logs.single_writer_error(folder):
            trainer.fit(Learner(network, recipe), train_loader, ckpt_path=plan.checkpoint, weights_only=True)
    except torch.OutOfMemoryError as error:  # where the step is Lightning's own, or outside of the step
        half = max(1, (recipe.batch_size or 2) // 2)
        raise ZorkiError(
            f"out of memory: {str(error).splitlines()[0]} Take --batch-size {half} and --grad-accum "
            f"{2 * recipe.grad_accum}, or a smaller --image-size"
        ) from error
    finally:
        conductor.close()
        train_loader.close()
        if val_loader is not None:
            val_loader.close()
        os.environ.pop(FOLDER_VARIABLE, None)
    if not trainer.is_global_zero:
        raise SystemExit(0)
    return conductor


def _draw_inputs(plan: TrainingPlan, say: Say, batch: Batch[Any]) -> None:
    """Writes a sheet of the batch, where the task shows what its networks receive."""
    presentation = plan.task.presentation
    if isinstance(presentation, DrawsInputs):
        path = plan.folder / f"{presentation.inputs_name}.png"
        write_image(path, presentation.draw_inputs(map_tensors(batch.inputs, torch.Tensor.cpu)))
        say(f"{presentation.inputs_name} as the network receives them: {path}")


def _workload(plan: TrainingPlan) -> Workload:
    recipe, splits = plan.recipe, plan.data_survey.splits
    assert recipe.batch_size is not None
    val, test = (-(-len(splits.get(split, [])) // recipe.batch_size) for split in ("val", "test"))
    return Workload(recipe.epochs or 0, len(train_loader_of(plan)), val, val + test)


def _epoch_budget(plan: TrainingPlan) -> EpochBudget | None:
    """Of a run whose epochs follow from its time: nobody typed their number, and no stage begins at one of them."""
    typed = "epochs" in plan.about.get("explicit", {})
    if plan.recipe.time is None or typed or isinstance(plan.model, TrainsInStages):
        return None
    return EpochBudget(_workload(plan), plan.recipe.time)


def _keep_best(plan: TrainingPlan, model: Model[Any, Any, Any], facts: dict[str, Any]) -> None:
    metadata = {
        "model": plan.entry.name,
        "task": plan.task.name,
        "class_names": json.dumps(plan.info.names, ensure_ascii=False),
        "preprocess": json.dumps(model.preprocess.to_json()),
        **{name: str(value) for name, value in facts.items()},
    }
    with checkpoints.way_on(plan.folder):
        save_weights(plan.folder / BEST, model, metadata)
