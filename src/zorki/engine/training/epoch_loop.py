"""The steps of an epoch without what nothing here uses of Lightning.

Built on a class that Lightning keeps to itself, see `missing`; the trainer goes on without it where it has changed.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import torch
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop

from zorki.errors import ZorkiError
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

    Args:
        say: told where memory does not suffice for a batch.
    """

    def __init__(self, trainer: Any, say: Callable[[str], None] = lambda text: None) -> None:
        super().__init__(trainer)
        self._say, self._parts = say, 1

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
        if number % trainer.accumulate_grad_batches == 0:
            progress.zero_grad.increment_ready()
            progress.zero_grad.increment_started()
            optimizer.zero_grad()
            progress.zero_grad.increment_completed()
        self._add_gradients(learner, batch, number)
        if not self._should_accumulate():
            progress.step.increment_ready()
            learner.configure_gradient_clipping(optimizer, trainer.gradient_clip_val)
            optimizer.step()
            progress.step.increment_completed()

    def _add_gradients(self, learner: Any, batch: Batch[Any], number: int) -> None:
        """Those of the batch; where memory does not suffice, those of its halves, one after the other, from then on."""
        if self._parts == 1:
            try:
                self._add_part(learner, batch, number, 1.0)
            except torch.OutOfMemoryError:
                pass
            else:
                return
            # Out of the handler, whose traceback holds what was computed.
            self._halve(len(batch))
        losses: dict[str, Any] = {}
        try:
            for part in batch.split(self._parts):
                share = len(part) / len(batch)
                self._add_part(learner, part, number, share)
                losses = {name: losses.get(name, 0.0) + share * loss for name, loss in learner.losses.items()}
        except torch.OutOfMemoryError as error:
            raise ZorkiError(
                f"out of memory, also with half of a batch of {len(batch)} at a time; go on with a smaller "
                f"--batch-size, such as {max(1, len(batch) // 4)}, and --grad-accum, or a smaller --image-size"
            ) from error
        learner.losses = losses

    def _add_part(self, learner: Any, batch: Batch[Any], number: int, share: float) -> None:
        trainer = self.trainer
        with trainer.precision_plugin.forward_context():
            loss = learner.training_step(batch, number)
        if trainer.accumulate_grad_batches > 1 or share < 1:
            loss = loss * (share / trainer.accumulate_grad_batches)
        loss.backward()

    def _halve(self, count: int) -> None:
        if count < 2:
            raise ZorkiError("out of memory with a batch of a single image; set a smaller --image-size")
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        # What a backward pass that failed has left is of no use; neither are gradients that it was added to.
        self.trainer.optimizers[0].zero_grad()
        self._parts = 2
        self._say(
            f"out of memory with {count} images at once: from here on each batch is learned in two halves, whose "
            f"gradients are summed before the step; batch norm sees {count // 2} at a time. A --batch-size of "
            f"{count // 2} with --grad-accum 2 says the same from the start"
        )
