"""A training's step taken apart: what reading, augmentation, the network and the optimizer take, and what helps."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zorki.data.loading.loader import Loader
from zorki.devices import kind_of
from zorki.engine.device import autocast, best_precision, laid_out, on_device
from zorki.engine.profiling.advice import Bottleneck, Circumstances, bottleneck
from zorki.engine.profiling.stage_clock import DATA, NETWORK, StageClock, TimedPipeline
from zorki.engine.run import checkpoints
from zorki.engine.run.defaults import cores
from zorki.engine.training import optimizer as optimize
from zorki.engine.training.loaders import train_loader_of
from zorki.engine.training.plan import TrainingPlan, draft_plan
from zorki.errors import RecipeError
from zorki.output import say
from zorki.recipe import Recipe
from zorki.task_settings import all_fields
from zorki.types import Batch

WARM_UP = 2  # steps before any is timed
LEAST = 3  # steps that are timed, however long they take
SECONDS = 10.0  # of timed steps, each with and without workers
JPEG = (".jpg", ".jpeg")


@dataclass(frozen=True)
class Profile:
    """Where the time of a training step goes.

    Attributes:
        stages: milliseconds of each stage of a step, one after the other and without workers.
        step: milliseconds of a step with the loader's workers beside; None: it has none.
        waiting: milliseconds of it in which the loader was waited for.
        steps: that were timed.
        bottleneck: what holds a step up, and the setting that mends it.
    """

    model: str
    device: str
    precision: str
    batch_size: int
    workers: int
    stages: dict[str, float]
    step: float | None
    waiting: float | None
    steps: int
    bottleneck: Bottleneck

    @property
    def alone(self) -> float:
        """Milliseconds of a step without workers."""
        return sum(self.stages.values())

    @property
    def images_per_second(self) -> float:
        """As trained: with the workers where there are some."""
        return 1000 * self.batch_size / max(1e-9, self.alone if self.step is None else self.step)

    def rows(self) -> list[dict[str, Any]]:
        """A row for each stage: milliseconds a step, and its share, 0..1."""
        whole = max(1e-9, self.alone)
        return [{"stage": name, "ms": spent, "share": spent / whole} for name, spent in self.stages.items()]

    def to_json(self) -> dict[str, Any]:
        """Plain values; snake_case, times in milliseconds a step."""
        facts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "stages"}
        facts |= {"bottleneck": dataclasses.asdict(self.bottleneck), "images_per_second": self.images_per_second}
        return {**facts, "step_without_workers": self.alone, "stages": self.rows()}

    def __str__(self) -> str:
        lines = [f"{row['stage']:<10}{row['ms']:>10.2f} ms {row['share']:>6.1%}" for row in self.rows()]
        lines.append(f"{'step':<10}{self.alone:>10.2f} ms, without workers")
        if self.step is not None and self.waiting is not None:
            waits = f"{self.waiting:.2f} ms ({self.waiting / max(1e-9, self.step):.0%}) waiting"
            lines.append(f"{'':<10}{self.step:>10.2f} ms, with {self.workers} workers: {waits}")
        facts = f"{self.batch_size} a step, {self.device}, {self.precision}"
        lines.append(f"{self.images_per_second:,.1f} images/s: {facts}")
        lines.append(f"bottleneck: {self.bottleneck.stage}: {self.bottleneck.reason}")
        lines.append(f"what helps: {self.bottleneck.remedy}")
        return "\n".join(lines)


def profile(
    model: str | None,
    data: Any,
    *,
    recipe: Recipe | None = None,
    seconds: float = SECONDS,
    quiet: bool = False,
    class_names: Sequence[str] | None = None,
    **settings: Any,
) -> Profile:
    """Times the stages of a training step, with all settings as `zorki.train` takes them. Nothing is written.

    Args:
        seconds: of timed steps, each without workers and with them; three steps at least.
        quiet: print nothing.

    Raises:
        ZorkiError: as `zorki.train`; or several devices are asked for.
    """
    tell: Callable[[str], None] = _silent if quiet else say
    if seconds <= 0:
        raise RecipeError(f"seconds is {seconds:g}; expected a time above 0")
    with checkpoints.same_chance():
        plan = draft_plan(model, data, recipe, settings, class_names, tell)
        if plan.recipe.world > 1:
            raise RecipeError(f"devices is {plan.recipe.devices}; a profile is of one device. Leave it out")
        return profile_plan(plan, seconds)


def _silent(words: str) -> None:
    """Says nothing."""


def profile_plan(plan: TrainingPlan, seconds: float) -> Profile:
    """The profile of a training that was planned."""
    recipe = plan.recipe
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    steps = TimedSteps(plan)
    without = dataclasses.replace(plan, recipe=dataclasses.replace(recipe, workers=0))
    with closing(train_loader_of(without)) as loader:
        loader.pipeline = TimedPipeline.of(loader.pipeline, steps.clock)
        count = steps.run(loader, seconds)
    stages = {name: 1000 * steps.clock.seconds[name] / count for name in (*DATA, *NETWORK)}
    step = waiting = None
    if recipe.workers:
        with closing(train_loader_of(plan)) as loader:
            with_workers = steps.run(loader, seconds)
        step, waiting = 1000 * steps.whole / with_workers, 1000 * steps.waited / with_workers
    facts = _circumstances(plan)
    return Profile(
        plan.entry.name, recipe.main_device, facts.precision, facts.batch_size, facts.workers, stages, step, waiting,
        count, bottleneck(stages, step, waiting, facts),
    )  # fmt: skip


class TimedSteps:
    """Training steps of a copy, timed stage by stage."""

    def __init__(self, plan: TrainingPlan) -> None:
        self.recipe, self.device = plan.recipe, plan.recipe.main_device
        self.model: Any = on_device(copy.deepcopy(plan.model), self.device, self.recipe.memory_format).train()
        optimize.keep_frozen(optimize.freeze(self.model, self.recipe.freeze))
        if self.recipe.compile:
            self.model.compile()
        self.optimizer = optimize.optimizer(self.model, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = 0.0  # no step makes the next one another
        self.clock = StageClock(self._wait)
        self.whole = self.waited = 0.0

    def run(self, loader: Loader[Any], seconds: float) -> int:
        """TimedSteps for so long, after some that are not timed; returns how many were."""
        batches = _endless(loader)
        for batch in itertools.islice(batches, WARM_UP):
            self.step(batch)
        self.clock.clear()
        self.whole, self.waited, count = 0.0, 0.0, 0
        while count < LEAST or self.whole < seconds:
            began = time.perf_counter()
            batch = next(batches)
            came = time.perf_counter()
            self.step(batch)
            self.waited += came - began
            self.whole += time.perf_counter() - began
            count += 1
        return count

    def step(self, batch: Batch[Any]) -> None:
        """One step, as the trainer makes it."""
        with self.clock.timed("copy"):
            batch = batch.to(self.device, non_blocking=True)
        with self.clock.timed("forward"), autocast(self.device, self.recipe.precision or "32"):
            losses = self.model.loss(self.model(laid_out(batch.inputs, self.model)), batch.placed)
            total: Tensor = torch.stack(list(losses.values())).sum()
        with self.clock.timed("backward"):
            total.backward()
        with self.clock.timed("optimizer"):
            if self.recipe.clip_grad:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_grad)
            self.optimizer.step()
            self.optimizer.zero_grad()

    def _wait(self) -> None:
        if kind_of(self.device) == "cuda":
            torch.cuda.synchronize(self.device)


def _endless(loader: Loader[Any]) -> Iterator[Batch[Any]]:
    for epoch in itertools.count():
        loader.set_epoch(epoch)
        yield from loader


def _circumstances(plan: TrainingPlan) -> Circumstances:
    recipe = plan.recipe
    assert recipe.batch_size is not None
    field = all_fields().get("reduced_jpeg", ())
    has_field = any(isinstance(recipe, kind) for kind in field)
    is_jpeg = plan.dataset.path(plan.train_indices[0]).suffix.lower() in JPEG
    return Circumstances(
        device=kind_of(recipe.main_device),
        precision=recipe.precision or "32",
        workers=recipe.workers or 0,
        cores=cores(),
        batch_size=recipe.batch_size,
        image_size=plan.model.preprocess.size,
        quick_bf16=best_precision(kind_of(recipe.main_device))[0] == "bf16",
        reducible_jpeg=has_field and is_jpeg and not recipe.to_json().get("reduced_jpeg"),
        compiles=recipe.compile,
    )
