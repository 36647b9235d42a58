"""Batches for training and for validation, and what could not be read on the way."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import lightning.pytorch as lightning
import torch
from jaxtyping import UInt8
from numpy import ndarray

from zorki.contracts import Model, Sampler, Targets
from zorki.data.loading.loader import Loader, Pipeline, share_of
from zorki.data.loading.pipeline import Augmentation
from zorki.data.loading.samplers import ShuffledSampler, WeightedSampler
from zorki.data.transforms.installed import Transform, transforms_of
from zorki.draw.images import sheet
from zorki.engine.device import rank
from zorki.engine.evaluation.split import evaluate_split, reference_loader
from zorki.engine.evaluation.units import eval_preprocess
from zorki.engine.prediction.inference import predict_images
from zorki.engine.run import checkpoints
from zorki.engine.run.open import TrainedModel
from zorki.engine.training.checks import has_batch_norm
from zorki.engine.training.plan import TrainingPlan
from zorki.errors import DataError
from zorki.types import Sample
from zorki.types.arrays import array_of


def train_loader_of(plan: TrainingPlan) -> Loader[Any]:
    recipe, task = plan.recipe, plan.task
    assert recipe.batch_size is not None
    assert recipe.workers is not None
    sampler = _sampler(plan, Targets(plan.dataset, plan.train_indices))
    pipeline = Pipeline(
        plan.dataset,
        augment=augmentation_of(plan),
        # A random crop is fitted whole: the center crop of evaluation would cut it a second time.
        preprocess=plan.model.preprocess.whole() if (recipe.random_crop or 1.0) < 1 else plan.model.preprocess,
        mix=partial(task.data.mix, recipe=recipe, info=plan.info),
        seed=recipe.seed,
        strict=recipe.strict,
        train=True,
        smallest_crop=recipe.random_crop or 1.0,
    )
    return Loader(
        pipeline,
        plan.train_indices,
        sampler=sampler,
        batch_size=recipe.batch_size,
        drop_last=len(sampler) >= 2 * recipe.batch_size,
        join_single=has_batch_norm(plan.model),
        workers=recipe.workers,
        rank=rank(),
        world=plan.recipe.world,
        pin_memory=recipe.accelerator == "cuda",
    )


def augmentation_of(plan: TrainingPlan) -> Augmentation:
    """The task's, and then the transforms of installed packages."""
    augment = partial(plan.task.data.augment, recipe=plan.recipe, info=plan.info)
    transforms = transforms_of(plan.recipe.transforms)
    return partial(_augment_and_transform, augment, transforms) if transforms else augment


def _augment_and_transform(
    augment: Augmentation, transforms: Sequence[Transform], sample: Sample[Any], *, generator: torch.Generator
) -> Sample[Any]:
    sample = augment(sample, generator=generator)
    for transform in transforms:
        sample = transform(sample, generator)
    return sample


def _sampler(plan: TrainingPlan, targets: Targets[Any]) -> Sampler:
    data = plan.task.data
    own = data.sampler(targets, plan.recipe, plan.info)
    if own is not None:
        return own
    weights = data.sampling_weights(targets, plan.info) if plan.recipe.class_balanced else None
    return ShuffledSampler(len(targets)) if weights is None else WeightedSampler(weights)


def val_loader_of(plan: TrainingPlan) -> Loader[Any] | None:
    indices = plan.data_survey.splits.get("val", [])
    return _plain_loader(plan, indices) if indices else None


def _plain_loader(plan: TrainingPlan, indices: Sequence[int]) -> Loader[Any]:
    """Batches in the data's order, without chance; of several processes each has a share."""
    recipe = plan.recipe
    assert recipe.batch_size is not None
    return Loader(
        Pipeline(plan.dataset, preprocess=eval_preprocess(plan.model, plan.task), strict=recipe.strict),
        share_of(indices, rank(), recipe.world),
        batch_size=max(1, recipe.batch_size // recipe.world),
        workers=recipe.workers or 0,
        pin_memory=recipe.accelerator == "cuda",
    )


def held_out_batches(plan: TrainingPlan, model: Model[Any, Any, Any]) -> Iterator[tuple[Any, Sequence[Any]]]:
    """Inputs and targets of the validation split, in evaluation; of the training images where there is none."""
    device = next(model.parameters()).device
    held_out = val_loader_of(plan)
    with closing(held_out if held_out is not None else _plain_loader(plan, plan.train_indices)) as loader:
        for batch in loader:
            yield batch.to(device).inputs, batch.placed


def gather_defects(plan: TrainingPlan, loader: Loader[Any], trainer: lightning.Trainer) -> None:
    """What any process could not read joins what the look found; asked once an epoch."""
    found: list[Any] = [loader.defects]
    if trainer.world_size > 1:
        found = [None] * trainer.world_size
        torch.distributed.all_gather_object(found, loader.defects)
    plan.data_survey.add(itertools.chain.from_iterable(found))


def validate(plan: TrainingPlan, loader: Loader[Any], model: Model[Any, Any, Any]) -> dict[str, Any]:
    recipe = plan.recipe
    if recipe.world > 1:  # each process has seen other images: statistics of batch norm differ until one's are taken
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, 0)
    run = TrainedModel(plan.folder, plan.entry.name, plan.task, plan.info, recipe, plan.about, model)
    reference = reference_loader(
        run,
        plan.dataset,
        plan.data_survey.splits,
        "val",
        batch_size=recipe.batch_size,
        workers=recipe.workers or 0,
        strict=recipe.strict,
        rank=rank(),
        world=recipe.world,
    )
    result = evaluate_split(
        model,
        loader,
        plan.task,
        plan.info,
        split="val",
        device=next(model.parameters()).device,
        precision=recipe.precision or "32",
        keep=False,
        gather=recipe.world > 1,
        seed=None,
        reference=reference,
    )
    return {**result.metrics.scalars(), **result.total_loss()}


def shows_examples(plan: TrainingPlan) -> bool:
    """Whether loggers get images: there are some held out, each predicted by itself, and somebody writes."""
    held_out = plan.data_survey.splits.get("val")
    return bool(held_out and plan.recipe.log_images and plan.task.unit == "image" and rank() == 0)


def draw_examples(plan: TrainingPlan, model: Model[Any, Any, Any]) -> UInt8[ndarray, "3 H W"] | None:
    """A sheet of some validation images, each with its ground truth beside its prediction; None: none can be read."""
    presentation, cells, captions = plan.task.presentation, [], []
    indices = plan.data_survey.splits["val"]
    stride = max(1, len(indices) // plan.recipe.log_images)
    was, device = model.training, next(model.parameters()).device
    model.eval()
    with checkpoints.same_chance():
        for index in indices[::stride][: plan.recipe.log_images]:
            try:
                sample = plan.dataset[index]
            except DataError:
                continue
            (prediction,) = predict_images(model, [sample.image], device)
            image, target = array_of(sample.image), sample.target.numpy()
            shown = presentation.shown(prediction, plan.info).numpy()
            cells += [presentation.thumbnail(image, one, plan.info) for one in (target, shown)]
            captions += [presentation.caption(target, plan.info) or "ground truth"]
            captions += [presentation.caption(shown, plan.info) or "prediction"]
    model.train(was)
    return sheet(cells, captions, columns=4, cell=presentation.thumbnail_side) if cells else None
