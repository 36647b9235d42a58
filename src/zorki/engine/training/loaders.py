"""Batches for training and for validation, and what could not be read on the way."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import lightning.pytorch as lightning
import torch

from zorki.contracts import Model, Sampler, Targets, Task
from zorki.data.loading.loader import Loader, Pipeline
from zorki.data.loading.samplers import ShuffledSampler, WeightedSampler
from zorki.engine.device import rank
from zorki.engine.evaluation import evaluate
from zorki.engine.evaluation.units import eval_preprocess
from zorki.engine.run.job import Work
from zorki.engine.run.open import Run
from zorki.engine.training.checks import train_indices_of
from zorki.recipe import Recipe
from zorki.types import ClassInfo


def train_loader_of(work: Work, world: int) -> Loader[Any]:
    recipe, task = work.recipe, work.task
    assert recipe.batch_size is not None
    assert recipe.workers is not None
    indices = train_indices_of(work.looked, recipe)
    sampler = _sampler(work, Targets(work.dataset, indices))
    pipeline = Pipeline(
        work.dataset,
        augment=partial(_augment, task, recipe),
        # A random crop is fitted whole: the center crop of evaluation would cut it a second time.
        preprocess=work.model.preprocess.whole() if (recipe.random_crop or 1.0) < 1 else work.model.preprocess,
        mix=partial(_mix, task, recipe, work.info),
        seed=recipe.seed,
        strict=recipe.strict,
        train=True,
    )
    return Loader(
        pipeline,
        indices,
        sampler=sampler,
        batch_size=recipe.batch_size,
        drop_last=len(sampler) >= 2 * recipe.batch_size,
        workers=recipe.workers,
        rank=rank(),
        world=world,
        pin_memory=recipe.device == "cuda",
    )


def _sampler(work: Work, targets: Targets[Any]) -> Sampler:
    data = work.task.data
    own = data.sampler(targets, work.recipe, work.info)
    if own is not None:
        return own
    weights = data.sampling_weights(targets, work.info) if work.recipe.class_balanced else None
    return ShuffledSampler(len(targets)) if weights is None else WeightedSampler(weights)


def val_loader_of(work: Work, world: int) -> Loader[Any] | None:
    indices = work.looked.splits.get("val", [])
    if not indices:
        return None
    recipe = work.recipe
    assert recipe.batch_size is not None
    return Loader(
        Pipeline(work.dataset, preprocess=eval_preprocess(work.model, work.task), strict=recipe.strict),
        indices,
        batch_size=recipe.batch_size,
        workers=recipe.workers or 0,
        rank=rank(),
        world=world,
        pin_memory=recipe.device == "cuda",
    )


def _augment(task: Task[Any, Any], recipe: Recipe, sample: Any, generator: torch.Generator) -> Any:
    return task.data.augment(sample, recipe, generator)


def _mix(task: Task[Any, Any], recipe: Recipe, info: ClassInfo, batch: Any, generator: torch.Generator) -> Any:
    return task.data.mix(batch, recipe, info, generator)


def gather_defects(work: Work, loader: Loader[Any], trainer: lightning.Trainer) -> None:
    """What any process could not read joins what the look found; asked once an epoch."""
    found: list[Any] = [loader.defects]
    if trainer.world_size > 1:
        found = [None] * trainer.world_size
        torch.distributed.all_gather_object(found, loader.defects)
    work.looked.add(itertools.chain.from_iterable(found))


def validate(work: Work, loader: Loader[Any], world: int, model: Model[Any, Any, Any]) -> dict[str, Any]:
    if world > 1:  # each process has seen other images: statistics of batch norm differ until one's are taken
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, 0)
    run = Run(work.folder, work.entry.name, work.task, work.info, work.recipe, work.about, model)
    reference = evaluate.reference_loader(
        run,
        work.dataset,
        work.looked.splits,
        "val",
        batch_size=work.recipe.batch_size,
        workers=work.recipe.workers or 0,
        strict=work.recipe.strict,
        rank=rank(),
        world=world,
    )
    result = evaluate.judge(
        model,
        loader,
        work.task,
        work.info,
        split="val",
        device=next(model.parameters()).device,
        precision=work.recipe.precision or "32",
        keep=False,
        gather=world > 1,
        seed=None,
        reference=reference,
    )
    return {**result.metrics.scalars(), "loss": sum(result.losses.values())}
