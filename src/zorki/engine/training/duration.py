"""How long a training takes, from the time of its first steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from zorki.durations import duration_text, short_text

EVALUATION_SHARE = 0.5
"""Of a training step's time, what a batch takes to evaluate: no backward pass, but decoding and the metric."""

ENOUGH_STEPS, ENOUGH_SECONDS = 3, 3.0
"""Both are timed before a duration is told: the first steps wait for what later ones find ready."""

SURPRISE = 1.5  # a duration is told once more where the first epoch shows that it is longer by this factor


@dataclass(frozen=True)
class Workload:
    """What a training does: its steps, and the batches that it evaluates."""

    epochs: int
    steps: int
    """Training steps an epoch."""
    val_batches: int
    """Evaluated after each epoch."""
    last_batches: int
    """Evaluated once, with the best weights."""

    def evaluation(self, step: float) -> float:
        """Seconds that evaluation takes after an epoch whose steps take `step` seconds, before one was seen."""
        return EVALUATION_SHARE * step * self.val_batches

    def seconds_left(self, done: int, step: float, evaluation: float | None = None) -> float:
        """Seconds from after `done` steps to the end, the last evaluation included.

        Args:
            step: seconds of a training step.
            evaluation: seconds of the evaluation after an epoch; None: estimated.
        """
        an_epoch = self.evaluation(step) if evaluation is None else evaluation
        left = max(0, self.epochs * self.steps - done)
        return left * step + math.ceil(left / self.steps) * an_epoch + self._last(step, an_epoch)

    def epochs_within(self, seconds: float, step: float, evaluation: float) -> int:
        """Whole epochs for which there is time, with the last evaluation; at least one."""
        left = seconds - self._last(step, evaluation)
        return max(1, int(left / max(1e-9, self.steps * step + evaluation)))

    def _last(self, step: float, evaluation: float) -> float:
        a_batch = evaluation / self.val_batches if self.val_batches else EVALUATION_SHARE * step
        return a_batch * self.last_batches


class EpochBudget:
    """How many epochs a time has room for, told anew after each one: never more than were planned.

    By the mean of the last two: one that was slow by chance takes its place from the others for a while only.

    Args:
        workload: with the epochs that were planned.
        limit: seconds for all of it, the last evaluation included.
    """

    def __init__(self, workload: Workload, limit: float) -> None:
        self.workload, self.limit = workload, limit
        self._before: tuple[float, float] | None = None

    def epochs(self, done: int, spent: float, training: float, evaluation: float) -> int:
        """How many in all, one more than were done at least.

        Args:
            done: epochs.
            spent: seconds for them.
            training, evaluation: seconds of the last one.
        """
        before = self._before or (training, evaluation)
        self._before = (training, evaluation)
        step = (training + before[0]) / 2 / max(1, self.workload.steps)
        more = self.workload.epochs_within(self.limit - spent, step, (evaluation + before[1]) / 2)
        return min(self.workload.epochs, done + more)


class StepTimer:
    """Seconds a training step, over steps that follow each other; the first of each sequence is not timed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.steps, self.seconds = clock, 0, 0.0
        self._before: float | None = None

    def step(self) -> None:
        """Takes in that a step has ended."""
        now = self.clock()
        if self._before is not None:
            self.steps, self.seconds = self.steps + 1, self.seconds + now - self._before
        self._before = now

    def pause(self) -> None:
        """Takes in that something else follows the step, such as evaluation."""
        self._before = None

    @property
    def is_enough(self) -> bool:
        return self.steps >= ENOUGH_STEPS and self.seconds >= ENOUGH_SECONDS

    @property
    def seconds_a_step(self) -> float:
        return self.seconds / self.steps


class Forecast:
    """Tells once how long a training will take, and once more where the first epoch shows that it takes far longer."""

    def __init__(
        self, workload: Workload, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.workload, self.say, self.timer = workload, say, StepTimer(clock)
        self._step: float | None = None  # seconds of a step, as they were told
        self._steps = 0  # of this epoch, in this process
        self._is_over = False

    def step(self, done: int) -> None:
        """Takes in that `done` steps of all epochs have ended; cheap enough for every one of them."""
        self._steps += 1
        if self._step is not None or self._is_over:
            return
        self.timer.step()
        if self.timer.is_enough:
            self._step = self.timer.seconds_a_step
            if done < self.workload.epochs * self.workload.steps:
                self._tell("about", done, self.workload.seconds_left(done, self._step), self._step, "")

    def epoch(self, done: int, seconds: float, evaluation: float) -> None:
        """Takes in an epoch that ended after `done` steps: the seconds that it trained, and those of its evaluation."""
        self.timer.pause()
        steps, self._steps = self._steps, 0
        if self._is_over or steps == 0 or (self._step is None and seconds < ENOUGH_SECONDS):
            return
        self._is_over = True
        if done >= self.workload.epochs * self.workload.steps:
            return
        left = self.workload.seconds_left(done, seconds / steps, evaluation)
        announced = None if self._step is None else self.workload.seconds_left(done, self._step)
        if announced is None or left > SURPRISE * announced:
            after = f", {short_text(evaluation)} for each evaluation" if self.workload.val_batches else ""
            self._tell("about" if announced is None else "longer than that: about", done, left, seconds / steps, after)

    def _tell(self, about: str, done: int, left: float, step: float, after: str) -> None:
        epochs = math.ceil((self.workload.epochs * self.workload.steps - done) / self.workload.steps)
        more = " more" if epochs < self.workload.epochs else ""
        self.say(
            f"{about} {duration_text(left)}{more}: {_count(epochs, 'epoch')} of {_count(self.workload.steps, 'step')}, "
            f"{short_text(step)} a step{after}"
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
