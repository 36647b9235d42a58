"""Which way of computing suits a training that is about to begin: some steps of a copy are timed."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import torch

from zorki.devices import kind_of
from zorki.engine.device import MEMORY_FORMATS, best_precision, laid_out, on_device
from zorki.engine.profiling.profile import TimedSteps
from zorki.engine.run import checkpoints
from zorki.engine.run.defaults import Choice
from zorki.engine.run.environment import computing_machine
from zorki.engine.speed_probe.kept_timings import Timings, kept_timings, rows
from zorki.engine.speed_probe.ways import Way, fastest, timed, why
from zorki.engine.training.loaders import train_loader_of
from zorki.engine.training.plan import Say, TrainingPlan, with_choices
from zorki.types import Batch

WORTH = 5e8
"""Pixels that a training sees, from which on a probe of seconds pays."""
USUAL = next(iter(MEMORY_FORMATS))


def with_fastest_way(plan: TrainingPlan, say: Say) -> TrainingPlan:
    """The plan with memory format, and where they were left open precision and threads, as they are quickest here.

    What is measured is told in a line, and stands in the run's environment. The training is left as it was: copies are
    timed, and all generators of random numbers go on from where they were.
    """
    if plan.recipe.memory_format is not None:
        return plan
    if (reason := _no_probe(plan)) is not None:
        return with_choices(plan, [Choice("memory_format", USUAL, reason)], say)
    with checkpoints.same_chance():
        training, inference = _measured(plan)
    chosen, usual = fastest(training), _usual(plan)
    found = {"memory_format": chosen.memory_format, "precision": chosen.precision, "threads": chosen.threads}
    choices = [
        Choice(name, value, why(training, chosen))
        for name, value in found.items()
        if name == "memory_format" or value != dataclasses.asdict(usual)[name]
    ]
    computing = {
        "machine": computing_machine(plan.recipe.main_device),
        "training": {**found, "timings": rows(training)},
        "inference": {"memory_format": fastest(inference).memory_format, "timings": rows(inference)},
    }
    return with_choices(plan, choices, say, computing=computing)


def _no_probe(plan: TrainingPlan) -> str | None:
    """Why nothing is measured; None where it is."""
    recipe = plan.recipe
    if recipe.world > 1:
        return "several processes: each would measure for itself"
    if kind_of(recipe.main_device) not in ("cpu", "cuda") or recipe.compile or plan.task.unit != "image":
        return "usual for convolutions"
    if not plan.train_indices or not _has_layouts(plan.model):
        return "nothing hangs on it"
    pixels = (recipe.epochs or 0) * len(plan.train_indices) * plan.model.preprocess.size**2
    short = pixels < WORTH if recipe.time is None else recipe.time < 300
    return "usual for convolutions; a training this short is over before a probe pays" if short else None


def _has_layouts(model: torch.nn.Module) -> bool:
    return any(value.ndim == 4 and value.shape[2] * value.shape[3] > 1 for value in model.parameters())


def _usual(plan: TrainingPlan) -> Way:
    return Way(USUAL, plan.recipe.precision or "32", plan.recipe.threads or torch.get_num_threads())


def _measured(plan: TrainingPlan) -> tuple[Timings, Timings]:
    """Timings of training steps and of inference, of one batch."""
    recipe, usual = plan.recipe, _usual(plan)
    precisions = ("32", "bf16") if _precision_is_open(plan) else (usual.precision,)
    ways = [Way(layout, precision, usual.threads) for precision in precisions for layout in MEMORY_FORMATS]
    facts = {
        "model": plan.entry.name, "classes": plan.info.output_count, "preprocess": plan.model.preprocess.to_json(),
        "options": {name: str(value) for name, value in recipe.options.items()}, "batch_size": recipe.batch_size,
        "freeze": recipe.freeze, "ways": [str(way) for way in ways], "threads": recipe.threads,
        **computing_machine(recipe.main_device),
    }  # fmt: skip
    batches: list[Batch[Any]] = []  # read when first needed, which it is not where all is kept

    def batch() -> Batch[Any]:
        if not batches:
            without = dataclasses.replace(plan, recipe=dataclasses.replace(recipe, workers=0))
            with closing(train_loader_of(without)) as loader:
                batches.append(next(iter(loader)))
        return batches[0]

    training = kept_timings({**facts, "of": "training"}, lambda: _training(plan, ways, batch()))
    layouts = [Way(layout, "32", usual.threads) for layout in MEMORY_FORMATS]
    inference = kept_timings({**facts, "of": "inference"}, lambda: _inference(plan, layouts, batch()))
    return training, inference


def _precision_is_open(plan: TrainingPlan) -> bool:
    """Whether nobody said one, and the device is quick at bf16: where it emulates it, it is not tried."""
    chosen = [choice for choice in plan.choices if choice.name == "precision"]
    best = best_precision(kind_of(plan.recipe.main_device))
    return len(chosen) == 1 and (chosen[0].value, chosen[0].why) == best == ("bf16", best[1])


def _training(plan: TrainingPlan, ways: Sequence[Way], batch: Batch[Any]) -> Timings:
    """Of the memory formats and precisions, and then of the quickest of them with half the threads."""

    def step(way: Way) -> Callable[[], object]:
        own: Any = {"memory_format": way.memory_format, "precision": way.precision}
        recipe = dataclasses.replace(plan.recipe, **own)
        steps = TimedSteps(dataclasses.replace(plan, recipe=recipe))
        return lambda: _with_threads(way.threads, lambda: steps.step(batch))

    timings = timed({way: step(way) for way in ways})
    best = fastest(timings)
    if plan.recipe.threads is None and kind_of(plan.recipe.main_device) == "cpu" and best.threads > 1:
        half = dataclasses.replace(best, threads=best.threads // 2)
        again = timed({way: step(way) for way in (best, half)})
        timings |= again
    return timings


def _inference(plan: TrainingPlan, ways: Sequence[Way], batch: Batch[Any]) -> Timings:
    device = plan.recipe.main_device
    moved = batch.to(device, non_blocking=False)

    def step(way: Way) -> Callable[[], object]:
        model: Any = on_device(copy.deepcopy(plan.model), device, way.memory_format).eval()

        def predict() -> None:
            with torch.inference_mode():
                model(laid_out(moved.inputs, model))
            if kind_of(device) == "cuda":
                torch.cuda.synchronize(device)

        return lambda: _with_threads(way.threads, predict)

    return timed({way: step(way) for way in ways})


def _with_threads(count: int, work: Callable[[], object]) -> None:
    with _threads(count):
        work()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    if count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
