"""The callback that watches over training, and Lightning's trainer with all of that off."""

from __future__ import annotations

import dataclasses
import logging
import math
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as lightning
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from zorki.contracts import Model
from zorki.contracts.capabilities import NoticesFailure, TrainsInStages, UpdatesAfterStep
from zorki.devices import count_or_indices, index_of
from zorki.durations import duration_text
from zorki.engine.run import checkpoints
from zorki.engine.run.logs import Log
from zorki.engine.run.requeue import SIGNAL, requeue
from zorki.engine.training import optimizer as optimize
from zorki.engine.training.duration import EpochBudget, Forecast
from zorki.engine.training.progress import Progress
from zorki.errors import DataError, ZorkiError
from zorki.recipe import Recipe
from zorki.types import Batch

EXAMPLES = 10  # times a training that loggers are shown predictions
EXAMPLE_FAULTS = (ZorkiError, ValueError, RuntimeError, TypeError, LookupError, AttributeError, AssertionError)
FIRST_CHECK = 100  # steps after which a model is asked whether its training has failed; and at each epoch's end


class Interrupted(ZorkiError):
    """Training was stopped by Ctrl-C or a signal; everything is written and the run can go on."""


class Diverged(ZorkiError):
    """The loss is no number any more, or the model sees that it has learned nothing that serves."""


class Conductor(lightning.Callback):
    """Sets the rate, logs, averages, validates, writes checkpoints, listens to Ctrl-C, and stops when it is time.

    One callback, so that the order of these is written in one place, and so that a step costs little.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        *,
        validate: Callable[[Model[Any, Any, Any]], dict[str, Any]] | None,
        monitor: str,
        log: Log,
        progress: Progress,
        keep_best: Callable[[Model[Any, Any, Any], dict[str, Any]], None],
        keep_last: bool = False,
        forecast: Forecast | None = None,
        gather: Callable[[lightning.Trainer], None] = lambda trainer: None,
        held_out: Callable[[Model[Any, Any, Any]], Iterable[tuple[Any, Sequence[Any]]]] = lambda model: (),
        check_folder: Callable[[], None] = lambda: None,
        first_batch: Callable[[Batch[Any]], None] = lambda batch: None,
        examples: Callable[[Model[Any, Any, Any]], Any] | None = None,
        budget: EpochBudget | None = None,
    ) -> None:
        """Of one run.

        Args:
        keep_last: validation cannot tell good weights from bad ones: those of the last epoch are kept, and patience
            and the plateau scheduler watch nothing.
        forecast: tells how long the training takes.
        held_out: inputs and targets of `begin_stage`, on the model's device.
        check_folder: called before anything is written; raises where the folder is gone.
        first_batch: sees the first batch of a run before anything is learned.
        budget: takes epochs away where the machine becomes slower, so that the learning rate comes to its end in time.
        examples: draws a sheet of predictions for the loggers, after the first epoch, the last, and some between.
        """
        assert recipe.epochs is not None
        self.recipe, self.folder, self.monitor, self.epochs = recipe, folder, monitor, recipe.epochs
        self.validate, self.log_, self.progress, self.keep_best = validate, log, progress, keep_best
        self.gather, self.keep_last, self.check_folder = gather, keep_last, check_folder
        self.forecast, self.held_out, self.first_batch = forecast, held_out, first_batch
        self.examples, self.budget = examples, budget
        self.stages = optimize.StageSchedule((0,), self.epochs)
        self.plateau = optimize.Plateau()
        self.after_step: Callable[[float], None] | None = None
        self.average: AveragedModel | None = None
        self.best, self.best_loss, self.best_epoch, self.stale = -math.inf, math.inf, -1, 0
        self.sums: dict[str, Tensor] = {}
        self.batches, self.images, self.seconds = 0, 0, 0.0
        self.first_loss: float | None = None
        self.stop_signal: int | None = None
        self._state: dict[str, Any] = {}
        self._old_handlers: dict[int, Any] = {}

    # -- beginning and end

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self.epochs != self.recipe.epochs:  # of a run that goes on, and had too little time for all
            trainer.fit_loop.max_epochs = self.epochs
        if self.recipe.ema is not None:
            self.average = AveragedModel(
                pl_module.model, multi_avg_fn=get_ema_multi_avg_fn(self.recipe.ema), use_buffers=True
            )
            self.average.requires_grad_(False)
            if "average" in self._state:
                self.average.load_state_dict(checkpoints.present_names(self._state["average"]))
        self._old_handlers = {number: signal.getsignal(number) for number in _stop_signals()}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        checkpoints.restore_chance(self._state.get("chance"))
        self._last_checkpoint = self._started = time.monotonic()
        self._steps_an_epoch = max(1, int(trainer.num_training_batches))
        if isinstance(pl_module.model, TrainsInStages):
            self.stages = optimize.StageSchedule.of(pl_module.model.stage_shares(), self.epochs)
        if isinstance(pl_module.model, UpdatesAfterStep):
            self.after_step = pl_module.model.after_step
        # In the middle of a resumed epoch nobody else does these: modes, devices, and the end of patience.
        pl_module.model.train()
        optimize.keep_frozen(pl_module.frozen)
        self.sums = {name: total.to(pl_module.device) for name, total in self.sums.items()}
        self._stop_when_stale(trainer, trainer.current_epoch - 1)
        progress = trainer.fit_loop.epoch_loop.batch_progress
        if progress.is_last_batch or not progress.current.ready:  # an epoch that has begun is ended
            self._stop_in_time(trainer)
        self._listen()  # after Lightning, whose own way to stop writes no checkpoint
        for group in trainer.optimizers[0].param_groups:
            group.setdefault("largest", group["lr"])

    def close(self) -> None:
        """Gives signals back to whoever listened before, and takes the bar away; also after an error."""
        for number, handler in self._old_handlers.items():
            if threading.current_thread() is threading.main_thread():
                signal.signal(number, handler)
        self._old_handlers = {}
        self.progress.close()

    def _listen(self) -> None:
        """Ctrl-C, a kind kill and a closed terminal end training after the step at hand; a second one at once."""

        def note(number: int, frame: FrameType | None) -> None:
            if self.stop_signal is not None:
                raise Interrupted(
                    f"stopped at once; go on from the last checkpoint: zorki train --resume {self.folder}"
                )
            self.stop_signal = number

        if threading.current_thread() is threading.main_thread():  # elsewhere somebody else listens
            for number in self._old_handlers:
                signal.signal(number, note)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Where a later stage begins, it has to be better than itself, not than those before."""
        epoch = trainer.current_epoch
        stage = self.stages.stage(epoch)
        if stage == 1 or epoch not in self.stages.starts:
            return
        averages = [] if self.average is None else [self.average.module]
        for model in (pl_module.model, *averages):
            model.begin_stage(stage, self.held_out(model))
        pl_module.model.train()
        optimize.keep_frozen(pl_module.frozen)
        self.plateau = optimize.Plateau()
        self.best, self.best_loss, self.stale = -math.inf, math.inf, 0
        self._started = time.monotonic()
        self.progress.say(f"epoch {epoch + 1}: stage {stage} of {len(self.stages.starts)} begins")

    # -- every step

    def on_train_batch_start(self, trainer: lightning.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == batch_idx == 0 and trainer.is_global_zero:
            self.first_batch(batch)
        epoch = trainer.current_epoch + batch_idx / self._steps_an_epoch
        factor = optimize.rate_factor(self.recipe, *self.stages.place(epoch)) * self.plateau.factor
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = group["largest"] * factor

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Batch[Any], batch_idx: int
    ) -> None:
        whole_step = (batch_idx + 1) % self.recipe.grad_accum == 0 or batch_idx + 1 == self._steps_an_epoch
        if whole_step:
            if self.average is not None:
                self.average.update_parameters(pl_module.model)
            if self.after_step is not None:
                self.after_step((trainer.current_epoch + (batch_idx + 1) / self._steps_an_epoch) / self.epochs)
        for name, loss in pl_module.losses.items():
            running_sum = self.sums.get(name)
            self.sums[name] = loss.clone() if running_sum is None else running_sum.add_(loss)
        self.batches += 1
        self.images += len(batch)
        step = trainer.fit_loop.total_batch_idx + 1  # also after a resume with another batch size
        if self.first_loss is None or step % self.recipe.log_every == 0:
            self._log_step(trainer, pl_module, step)
        self.progress.step(trainer.current_epoch, batch_idx + 1, self._steps_an_epoch)
        if self.forecast is not None:
            self.forecast.step(trainer.current_epoch * self._steps_an_epoch + batch_idx + 1)
        if whole_step and batch_idx + 1 < self._steps_an_epoch:
            self._write_within_epoch(trainer, (batch_idx + 1) // self.recipe.grad_accum)

    def _log_step(self, trainer: lightning.Trainer, pl_module: Any, step: int) -> None:
        self.check_folder()
        losses = {name: float(loss) for name, loss in pl_module.losses.items()}
        total = sum(losses.values())
        if not math.isfinite(total):
            raise Diverged(
                f"the loss is {total} at step {step}: training has run away. Lower --lr, or set --clip-grad 1."
            )
        if self.first_loss is None:
            self.first_loss = total
        row = {
            "step": step,
            "epoch": trainer.current_epoch,
            "lr": max(group["lr"] for group in trainer.optimizers[0].param_groups),
            "loss": total,
            **{f"loss/{name}": loss for name, loss in losses.items() if len(losses) > 1},
            **pl_module.diagnostics(),
        }
        self.progress.losses = {"loss": total}
        self.log_.step(row)
        if step >= FIRST_CHECK:
            _check_success(pl_module)

    def _write_within_epoch(self, trainer: lightning.Trainer, done: int) -> None:
        """`done` counts the optimizer's steps of this epoch, so that every process asks at the same ones."""
        stop = self._asked_to_stop(trainer, done)
        due = time.monotonic() - self._last_checkpoint >= self.recipe.checkpoint_minutes * 60
        if trainer.world_size > 1:
            due = done % 50 == 0 and trainer.strategy.reduce_boolean_decision(due, all=False)
        by_steps = self.recipe.checkpoint_steps is not None and done % self.recipe.checkpoint_steps == 0
        if stop or due or by_steps:
            self.write_checkpoint(trainer)
        if stop:
            self._stop()

    def _asked_to_stop(self, trainer: lightning.Trainer, done: int) -> bool:
        requested = self.stop_signal is not None
        if trainer.world_size > 1:  # all processes must stop at the same step; asking at every step would be dear
            return done % 10 == 0 and trainer.strategy.reduce_boolean_decision(requested, all=False)
        return requested

    def _stop(self) -> None:
        """Raises Interrupted, after the checkpoint."""
        word = "another process" if self.stop_signal is None else signal.Signals(self.stop_signal).name
        word = "Ctrl-C" if self.stop_signal == signal.SIGINT else word
        queued = requeue() if self.stop_signal is not None and self.stop_signal == SIGNAL else ""
        raise Interrupted(f"stopped by {word}; nothing is lost{queued}. Go on with: zorki train --resume {self.folder}")

    # -- every epoch

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        epoch = trainer.current_epoch
        means = {name: float(total) / max(1, self.batches) for name, total in self.sums.items()}
        now = time.monotonic()
        row: dict[str, Any] = {
            "epoch": epoch,
            "step": trainer.fit_loop.total_batch_idx + 1,
            "train/loss": sum(means.values()),
            **{f"train/{name}": loss for name, loss in means.items() if len(means) > 1},
            "lr": max(group["lr"] for group in trainer.optimizers[0].param_groups),
        }
        if not math.isfinite(row["train/loss"]):
            raise Diverged(f"the loss is {row['train/loss']} in epoch {epoch + 1}: lower --lr, or set --clip-grad 1.")
        _check_success(pl_module)
        train_seconds = now - self._started
        self.sums, self.batches = {}, 0
        if self.validate is not None:
            averaged: Any = self.average.module if self.average is not None else pl_module.model
            metrics = self.validate(averaged)
            self._show_examples(averaged, epoch, row["step"])
            pl_module.model.train()
            optimize.keep_frozen(pl_module.frozen)
            row |= {f"val/{name}": value for name, value in metrics.items()}
            self._evaluate(trainer, averaged, metrics, epoch)
        else:
            kept: Any = self.average.module if self.average is not None else pl_module.model
            self._keep(trainer, kept, {"epoch": epoch})
        self.seconds += time.monotonic() - self._started
        row["seconds"] = self.seconds
        row["images_per_second"] = self.images * trainer.world_size / max(1e-9, train_seconds)
        self.gather(trainer)
        self.images = 0
        self._started = time.monotonic()
        self.check_folder()
        self.log_.epoch(row)
        self.progress.epoch(row, self.epochs)
        if self.forecast is not None:
            evaluation = self._started - now
            self.forecast.epoch((epoch + 1) * self._steps_an_epoch, train_seconds, evaluation)
        if epoch + 1 < self.epochs:
            self._keep_to_time(trainer, epoch + 1, train_seconds, self._started - now)
        self.write_checkpoint(trainer)
        if epoch + 1 < self.epochs:
            self._stop_in_time(trainer)
        if self._asked_to_stop(trainer, 0) and epoch + 1 < self.epochs:
            self._stop()

    def _show_examples(self, model: Any, epoch: int, step: int) -> None:
        every = max(1, self.epochs // EXAMPLES)
        if self.examples is None or not (epoch % every == 0 or epoch + 1 == self.epochs):
            return
        try:
            drawn = self.examples(model)
        except EXAMPLE_FAULTS as error:  # no reason to stop learning
            self.examples = None
            self.progress.say(f"loggers get no images: {str(error) or type(error).__name__}")
            return
        if drawn is not None:
            self.log_.image("val/examples", drawn, step)

    def _keep_to_time(self, trainer: lightning.Trainer, done: int, training: float, evaluation: float) -> None:
        """Fewer epochs where the machine has become slower, and again more, up to those planned, where it is faster."""
        if self.budget is None:
            return
        epochs = self.budget.epochs(done, self.seconds, training, evaluation)
        if trainer.world_size > 1:
            epochs = trainer.strategy.broadcast(epochs)
        if epochs == self.epochs:
            return
        self.progress.say(
            f"{epochs} epochs in place of {self.epochs}: so many have room in {duration_text(self.budget.limit)} at "
            f"{duration_text(training + evaluation)} an epoch; the schedule ends with them"
        )
        self.epochs = trainer.fit_loop.max_epochs = epochs
        self.stages = optimize.StageSchedule((0,), epochs)
        if self.forecast is not None:
            self.forecast.workload = dataclasses.replace(self.forecast.workload, epochs=epochs)

    def _stop_in_time(self, trainer: lightning.Trainer) -> None:
        """Ends training where the recipe's time is over; of several processes, where it is for one."""
        limit = self.recipe.time
        if limit is None:
            return
        is_over = self.seconds >= limit
        if trainer.world_size > 1:
            is_over = trainer.strategy.reduce_boolean_decision(is_over, all=False)
        if is_over:
            trainer.should_stop = True
            self.progress.say(
                f"the time of {duration_text(limit)} is over: training stops before its {self.epochs} epochs; "
                f"go on with: zorki train --resume {self.folder} --time off"
            )

    def _evaluate(self, trainer: lightning.Trainer, model: Any, metrics: dict[str, Any], epoch: int) -> None:
        """Keeps the weights where no epoch before had a larger monitor, or an equal one and a smaller loss."""
        if self.keep_last:
            self._keep(trainer, model, {"epoch": epoch})
            return
        if self.monitor not in metrics:
            raise DataError("nothing was evaluated: no image of the split val can be decoded; repair or remove them")
        score, loss = float(metrics[self.monitor]), float(metrics.get("loss", math.nan))
        self.plateau.see(score) if self.recipe.scheduler == "plateau" else None
        self.stale = 0 if score > self.best else self.stale + 1
        self._stop_when_stale(trainer, epoch)
        rank = score, -(math.inf if math.isnan(loss) else loss)
        if rank >= (self.best, -self.best_loss):
            self.best, self.best_loss = score, -rank[1]
            self._keep(trainer, model, {"epoch": epoch, self.monitor: score})

    def _stop_when_stale(self, trainer: lightning.Trainer, epoch: int) -> None:
        """Ends the last stage before its time where the monitor has not risen for long; those before have theirs."""
        is_last = self.stages.stage(max(0, epoch)) == len(self.stages.starts)
        if is_last and self.recipe.patience is not None and self.stale >= self.recipe.patience:
            trainer.should_stop = True

    def _keep(self, trainer: lightning.Trainer, model: Any, facts: dict[str, Any]) -> None:
        self.best_epoch = facts["epoch"]
        if trainer.is_global_zero:
            self.check_folder()
            self.keep_best(model, facts)

    # -- what survives a kill

    def write_checkpoint(self, trainer: lightning.Trainer) -> None:
        self.check_folder()
        checkpoints.write(trainer, self.folder)
        self._last_checkpoint = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = {
            "chance": checkpoints.chance(),
            "plateau": vars(self.plateau).copy(),
            "best": self.best,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "stale": self.stale,
            "epochs": [self.epochs, self.recipe.epochs, self.recipe.time],
            "sums": dict(self.sums),
            "batches": self.batches,
            "first_loss": self.first_loss,
            "seconds": self.seconds + time.monotonic() - self._started,
        }
        if self.average is not None:
            state["average"] = self.average.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._state = state_dict
        vars(self.plateau).update(state_dict["plateau"])
        self.best_loss = state_dict.get("best_loss", math.inf)  # older versions kept none
        epochs, *planned = state_dict.get("epochs", [self.epochs, None, None])  # older versions kept none
        if planned == [self.recipe.epochs, self.recipe.time]:  # whoever goes on with others means them
            self.epochs = epochs
            self.stages = optimize.StageSchedule((0,), epochs)
        for name in ("best", "best_epoch", "stale", "sums", "batches", "first_loss", "seconds"):
            setattr(self, name, state_dict[name])


def _check_success(pl_module: Any) -> None:
    """Raises Diverged where the model sees that its training has failed."""
    if isinstance(pl_module.model, NoticesFailure) and (why := pl_module.model.failure(pl_module.diagnostics())):
        raise Diverged(why)


def _stop_signals() -> list[int]:
    """Those that end training with a checkpoint; SIGHUP, of a closed terminal, but not where nohup has it ignored.

    And SIGUSR1, by which Slurm tells that a job's time is nearly up.
    """
    hangup = [] if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGINT, signal.SIGTERM, *hangup, *([] if SIGNAL is None else [SIGNAL])]


def make_trainer(
    recipe: Recipe,
    callbacks: Sequence[lightning.Callback],
    loggers: Any,
    folder: Path,
    say: Callable[[str], None] = lambda text: None,
) -> lightning.Trainer:
    """Lightning's Trainer with everything off that the Conductor does; `say` gets what is lost with this Lightning."""
    hush()
    precision = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[recipe.precision or "32"]
    trainer = lightning.Trainer(
        accelerator=recipe.accelerator,
        devices=_lightning_devices(recipe),
        num_nodes=recipe.nodes,
        strategy="ddp" if recipe.world > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]
        max_epochs=recipe.epochs,
        gradient_clip_val=recipe.clip_grad or None,
        accumulate_grad_batches=recipe.grad_accum,
        callbacks=list(callbacks),
        logger=loggers,
        default_root_dir=folder,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        log_every_n_steps=10**9,
    )
    if recipe.world == 1 and recipe.precision != "16":
        _shorten_steps(trainer, say)
    return trainer


def _shorten_steps(trainer: lightning.Trainer, say: Callable[[str], None]) -> None:
    """Puts our `EpochLoop` in; where what it is built on has changed in Lightning, its own loop stays."""
    lacking: str | None
    try:
        from zorki.engine.training.epoch_loop import EpochLoop, missing

        lacking = missing(trainer.fit_loop.epoch_loop)
    except ImportError as error:
        lacking = str(error)
    if lacking is None:
        trainer.fit_loop.epoch_loop = EpochLoop(trainer, say)
        return
    say(
        f"Lightning {lightning.__version__} is not built as zorki's short training step expects ({lacking}): its own "
        "loop is used, with equal results; steps of small networks take some 5 % longer"
    )


def _lightning_devices(recipe: Recipe) -> int | list[int]:
    """How many devices, or which GPUs."""
    listed, index = count_or_indices(recipe.devices), index_of(recipe.device or "")
    if index is not None:
        return [index]
    return listed if isinstance(listed, list) else recipe.num_devices


def hush() -> None:
    """Silences Lightning's advertisements and its advice on things that the engine does in another way."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
