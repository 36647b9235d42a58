"""The model as Lightning drives it, and the steps of an epoch without what nothing here uses of Lightning."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from torch import Tensor, nn

from zorki.contracts import Model
from zorki.engine.device import channels_last
from zorki.engine.run import checkpoints
from zorki.engine.training import optimizer as optimize
from zorki.recipe import Recipe
from zorki.types import Batch


class Learner(lightning.LightningModule):
    """One model and its recipe, in Lightning's words. Names no task and no network."""

    def __init__(self, model: Model[Any, Any, Any], recipe: Recipe) -> None:
        super().__init__()
        self.model = model
        self.recipe = recipe
        self.frozen: list[nn.Module] = optimize.freeze(model, recipe.freeze)
        self.losses: dict[str, Tensor] = {}

    def training_step(self, batch: Batch[Any], batch_idx: int) -> Tensor:
        losses = self.model.loss(self.model(channels_last(batch.inputs)), batch.placed)
        self.losses = {name: loss.detach() for name, loss in losses.items()}
        return torch.stack(list(losses.values())).sum() if len(losses) > 1 else next(iter(losses.values()))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimize.optimizer(self.model, self.recipe)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Cuts by norm. Lightning's own way refuses fused optimizers under bf16, where nothing needs unscaling."""
        if gradient_clip_val:
            nn.utils.clip_grad_norm_(self.model.parameters(), gradient_clip_val)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["state_dict"] = checkpoints.present_names(checkpoint["state_dict"])

    def on_train_epoch_start(self) -> None:
        optimize.keep_frozen(self.frozen)


class EpochLoop(_TrainingEpochLoop):
    """An epoch whose steps are forward, backward and the optimizer's, and the callbacks' two hooks.

    Lightning asks some forty hooks, its metrics and its schedulers at every step, which takes a twentieth of the time
    of a small network. What it counts is counted here too, so checkpoints of both are the same, and where one of them
    was written in the middle of a step, Lightning takes it up. Several processes, and float16 with its scaler, are left
    to Lightning altogether.
    """

    def advance(self, data_fetcher: Any) -> None:
        """One batch. Raises StopIteration where there is none."""
        if self.restarting:
            super().advance(data_fetcher)
            return
        trainer = self.trainer
        learner, number = trainer.lightning_module, self.batch_idx + 1
        batch, _, _ = next(data_fetcher)
        self.batch_progress.is_last_batch = data_fetcher.done
        if trainer.strategy.root_device.type != "cpu":
            batch = batch.to(trainer.strategy.root_device)
        self.batch_progress.increment_ready()
        for callback in trainer.callbacks:
            callback.on_train_batch_start(trainer, learner, batch, number)
        self.batch_progress.increment_started()
        self._learn(learner, batch, number)
        self.batch_progress.increment_processed()
        for callback in trainer.callbacks:
            callback.on_train_batch_end(trainer, learner, None, batch, number)
        self.batch_progress.increment_completed()

    def on_advance_end(self, data_fetcher: Any) -> None:
        """Counts the step. Validation, checkpoints and schedules are the Conductor's."""
        if not self._should_accumulate():
            self._batches_that_stepped += 1

    def _learn(self, learner: Any, batch: Batch[Any], number: int) -> None:
        trainer, progress = self.trainer, self.automatic_optimization.optim_progress.optimizer
        optimizer = trainer.optimizers[0]
        with trainer.precision_plugin.forward_context():
            loss = learner.training_step(batch, number)
        if number % trainer.accumulate_grad_batches == 0:
            progress.zero_grad.increment_ready()
            progress.zero_grad.increment_started()
            optimizer.zero_grad()
            progress.zero_grad.increment_completed()
        if trainer.accumulate_grad_batches > 1:
            loss = loss / trainer.accumulate_grad_batches
        loss.backward()
        if not self._should_accumulate():
            progress.step.increment_ready()
            learner.configure_gradient_clipping(optimizer, trainer.gradient_clip_val)
            optimizer.step()
            progress.step.increment_completed()
