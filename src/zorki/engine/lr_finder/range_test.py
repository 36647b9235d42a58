"""The learning rate range test: steps of a copy at rising learning rates, which leave the training as it was."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as lightning

from zorki.contracts.capabilities import UpdatesAfterStep
from zorki.engine.device import on_device
from zorki.engine.lr_finder.curve import Explosion, LearningRateCurve, curve_of
from zorki.engine.run import checkpoints
from zorki.engine.training.learner import Learner
from zorki.engine.training.loaders import train_loader_of
from zorki.engine.training.loop import make_trainer
from zorki.engine.training.plan import TrainingPlan


def range_test(plan: TrainingPlan, rates: Sequence[float]) -> LearningRateCurve:
    """Trains a copy of the plan's model, one step at each of these learning rates, and gives the losses.

    Batches, augmentation, optimizer, precision, clipping and frozen parts are those of the training. The plan, its
    model, and the generators of random numbers are left as they are; loaders that count are made anew.
    """
    # A learning rate of 1, so that the optimizer's groups hold the factors on it.
    recipe = dataclasses.replace(plan.recipe, lr=1.0, epochs=(len(rates) + 1) * plan.recipe.grad_accum)
    sweep = _Sweep(rates, recipe.grad_accum)
    with checkpoints.same_chance():
        model = on_device(copy.deepcopy(plan.model), "cpu").train()  # Lightning moves it on
        if recipe.compile:
            model.compile()
        loader = train_loader_of(plan)
        try:
            make_trainer(recipe, [sweep], False, plan.folder).fit(Learner(model, recipe), loader)
        finally:
            loader.close()
    return curve_of(rates, sweep.losses, stopped=sweep.stopped)


class _Sweep(lightning.Callback):
    """Sets the learning rate of each step, notes the losses, and stops where these have exploded."""

    def __init__(self, rates: Sequence[float], grad_accum: int) -> None:
        self.rates, self.grad_accum = rates, grad_accum
        self.losses: list[float] = []
        self.stopped = False
        self._explosion = Explosion()
        self._batches: list[float] = []  # losses of the batches of the step at hand
        self._factors: list[float] = []

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._factors = [group["lr"] for group in trainer.optimizers[0].param_groups]

    def on_train_batch_start(self, trainer: lightning.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        rate = self.rates[min(len(self.losses), len(self.rates) - 1)]
        for group, factor in zip(trainer.optimizers[0].param_groups, self._factors, strict=True):
            group["lr"] = rate * factor

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._batches.append(sum(float(loss) for loss in pl_module.losses.values()))
        last = batch_idx + 1 == int(trainer.num_training_batches)
        if (batch_idx + 1) % self.grad_accum and not last:
            return
        if isinstance(pl_module.model, UpdatesAfterStep):
            pl_module.model.after_step(0.0)
        self.losses.append(sum(self._batches) / len(self._batches))
        self._batches = []
        self.stopped = self._explosion.see(self.losses[-1]) and len(self.losses) <= len(self.rates)
        trainer.should_stop = self.stopped or len(self.losses) > len(self.rates)
