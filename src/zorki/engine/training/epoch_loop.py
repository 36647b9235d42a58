"""The steps of an epoch without what nothing here uses of Lightning.

Built on a class that Lightning keeps to itself, see `missing`; the trainer goes on without it where it has changed.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop

from zorki.types import Batch

USED = (
    "restarting", "trainer", "batch_idx", "batch_progress.is_last_batch", "batch_progress.increment_ready",
    "batch_progress.increment_started", "batch_progress.increment_processed", "batch_progress.increment_completed",
    "advance", "on_advance_end", "_should_accumulate", "_batches_that_stepped",
    "automatic_optimization.optim_progress.optimizer.zero_grad.increment_ready",
    "automatic_optimization.optim_progress.optimizer.zero_grad.increment_started",
    "automatic_optimization.optim_progress.optimizer.zero_grad.increment_completed",
    "automatic_optimization.optim_progress.optimizer.step.increment_ready",
    "automatic_optimization.optim_progress.optimizer.step.increment_completed",
    "trainer.precision_plugin.forward_context", "trainer.strategy.root_device",
)  # fmt: skip
"""What `EpochLoop` takes from Lightning's own loop."""


def missing(loop: Any) -> str | None:
    """The first of what is used of Lightning's loop that this one has not; None: it has all."""
    for name in USED:
        try:
            attrgetter(name)(loop)
        except AttributeError:
            return name
    return None


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
