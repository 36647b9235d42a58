"""How many epochs there is time for: some steps are timed on a copy, which leaves the training as it was."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as lightning

from zorki.durations import duration_text, short_text
from zorki.engine.device import on_device
from zorki.engine.run import checkpoints
from zorki.engine.run.defaults import Choice
from zorki.engine.training.duration import StepTimer, Workload
from zorki.engine.training.learner import Learner
from zorki.engine.training.loaders import train_loader_of, val_loader_of, validate
from zorki.engine.training.loop import make_trainer
from zorki.engine.training.plan import TrainingPlan

MEASURED_SHARE = 0.03  # of the time: where one evaluation takes no more, it is timed, else estimated


def choose_epochs(plan: TrainingPlan, workload: Workload, say: Callable[[str], None]) -> Choice:
    """The number of epochs that fit into the recipe's time, by the time that steps take."""
    assert plan.recipe.time is not None
    began = time.monotonic()
    step, evaluation = measure(plan, workload)
    limit = plan.recipe.time
    epochs = workload.epochs_within(limit - (time.monotonic() - began), step, evaluation)
    if (one := workload.steps * step + evaluation) > limit:
        say(f"one epoch takes about {duration_text(one)}, longer than --time; it is trained all the same")
    return Choice("epochs", epochs, f"{duration_text(limit)} at {short_text(step)} a step, measured")


def measure(plan: TrainingPlan, workload: Workload) -> tuple[float, float]:
    """Seconds of a training step, and of the evaluation after an epoch."""
    assert plan.recipe.time is not None
    with checkpoints.same_chance():
        model = copy.deepcopy(plan.model)
        if plan.recipe.compile:
            model.compile()
        step = _seconds_a_step(plan, model)
        on_device(model, plan.recipe.main_device)
        evaluation = workload.evaluation(step)
        if plan.data_survey.splits.get("val") and evaluation <= MEASURED_SHARE * plan.recipe.time:
            evaluation = _seconds_of_evaluation(plan, model)
    return step, evaluation


def _seconds_a_step(plan: TrainingPlan, model: Any) -> float:
    """By the trainer itself, as precision, clipping and loading take their time too."""
    recipe = dataclasses.replace(plan.recipe, epochs=1000)
    trial, loader = _Trial(), train_loader_of(plan)
    try:
        make_trainer(recipe, [trial], False, plan.folder).fit(Learner(model, recipe), loader)
    finally:
        loader.close()
    return trial.timer.seconds_a_step


def _seconds_of_evaluation(plan: TrainingPlan, model: Any) -> float:
    loader = val_loader_of(plan)
    assert loader is not None
    began = time.monotonic()
    try:
        validate(plan, loader, model)
    finally:
        loader.close()
    return time.monotonic() - began


class _Trial(lightning.Callback):
    """Stops when enough steps were timed. The learning rate is 0, so that no step makes the next one another."""

    def __init__(self) -> None:
        self.timer = StepTimer()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = 0.0

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        for loss in pl_module.losses.values():
            float(loss)  # waits for the device
        self.timer.step()
        trainer.should_stop = self.timer.is_enough
