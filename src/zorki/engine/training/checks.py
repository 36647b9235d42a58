"""What is asked of machine and data before anything is made."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from zorki.contracts import Dataset, Model, Task
from zorki.contracts.capabilities import Precomputes, TrainsInStages
from zorki.data.transforms.installed import transforms_of
from zorki.devices import kind_of
from zorki.engine.data_check import Survey, counted, subset, subset_by_class, summary
from zorki.engine.device import check_device
from zorki.engine.run import logs
from zorki.engine.run.data_files import file_name
from zorki.engine.training.optimizer import StageSchedule, freeze, keep_frozen
from zorki.errors import DataError, RecipeError
from zorki.recipe import Recipe


def check_machine(recipe: Recipe) -> None:
    """Raises ZorkiError before anything is made, where the machine cannot do what the recipe says."""
    logs.check_loggers(recipe.wandb, recipe.mlflow)
    transforms_of(recipe.transforms)
    device = check_device(recipe.device, recipe.devices)
    if kind_of(device) == "cpu" and recipe.precision == "16":
        raise RecipeError("precision is 16, but the processor has no quick float16; say bf16 or 32")
    world = int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1")))
    if "TORCHELASTIC_RUN_ID" in os.environ and world != recipe.world:
        raise RecipeError(
            f"torchrun started {world} processes, but devices is {recipe.devices} and nodes {recipe.nodes}; "
            "say --devices and --nodes as torchrun was told"
        )


def check_stages(model: Model[Any, Any, Any], recipe: Recipe) -> None:
    """Raises RecipeError where stages that are trained one after the other could not be."""
    if not isinstance(model, TrainsInStages) or len(shares := model.stage_shares()) == 1:
        return
    if recipe.world > 1:
        raise RecipeError(
            f"{type(model).__name__} of {len(shares)} stages, which are trained one after the other, is trained on one "
            "device; set devices to 1"
        )
    if recipe.epochs is not None:
        StageSchedule.of(shares, recipe.epochs)


def check_validation(data_survey: Survey, recipe: Recipe, task: Task[Any, Any]) -> None:
    if data_survey.splits.get("val") and not task.keeps_last:
        return
    for name, setting in (
        ("patience", recipe.patience is not None),
        ("scheduler plateau", recipe.scheduler == "plateau"),
    ):
        if setting:
            lacking = f"{task.name} keeps its last weights" if task.keeps_last else "the data have no validation image"
            raise RecipeError(f"{name} watches validation, but {lacking}; leave it out")


def fingerprint(dataset: Dataset[Any], indices: list[int]) -> str:
    """A hash of which images are trained on and what they are called: another order is another run."""
    digest = hashlib.sha256()
    for index in indices:
        digest.update(f"{file_name(dataset, index)}\t{dataset.mark(index)}\n".encode())
    return digest.hexdigest()


def tell_data(unit: str, dataset: Dataset[Any], data_survey: Survey, say: Callable[[str], None]) -> None:
    """What is in the splits, as counts of images, clips or videos (`Task.unit`), and what is left out of them."""
    counts = ", ".join(f"{name} {len(indices)}" for name, indices in data_survey.splits.items())
    classes = len(dataset.class_names)
    say(f"      {classes} {'class' if classes == 1 else 'classes'}; {unit}s: {counts}")
    if data_survey.defects:
        left_out = any(not defect.note for defect in data_survey.defects)
        words = "; what is broken is left out (--strict stops instead)" if left_out else ""
        say(f"      {counted(data_survey.defects)}{words}:")
        for line in summary(data_survey.defects):
            say(f"      {line}")


def train_indices_of(dataset: Dataset[Any], data_survey: Survey, recipe: Recipe) -> list[int]:
    indices = data_survey.splits.get("train", [])
    if not indices:
        counts = ", ".join(f"{name} {len(own)}" for name, own in data_survey.splits.items())
        raise DataError(f"nothing to train on: the split train has no image that can be read (images: {counts})")
    if recipe.limit is None:
        return indices
    if isinstance(recipe.limit, float):
        return subset_by_class(dataset, indices, recipe.limit, recipe.seed)
    return subset(indices, recipe.limit) if recipe.limit < len(indices) else indices


def check_forward(network: Model[Any, Any, Any], dataset: Dataset[Any], indices: list[int]) -> None:
    """Raises RecipeError where one image does not pass through the network, before a run's folder is made.

    Images that are too small leave some layers nothing to read. What is dear to preprocess is not tried.
    """
    if isinstance(network.preprocess, Precomputes):
        return
    inputs = network.preprocess([_first_image(dataset, indices)])[0]
    was = network.training
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            network.eval()(inputs)
    except RuntimeError as error:
        height, width = inputs.shape[-2:]
        reason = str(error).splitlines()[0]
        raise RecipeError(
            f"the network cannot take inputs of {height}x{width} pixels: {reason}; set a larger --image-size"
        ) from error
    finally:
        network.train(was)


def has_batch_norm(network: Model[Any, Any, Any]) -> bool:
    """Whether training takes statistics of each batch anywhere in the network; frozen norms take none."""
    was = network.training
    network.train()
    found = any(module.training for module in network.modules() if isinstance(module, _BatchNorm))
    network.train(was)
    return found


def check_batch_size(
    network: Model[Any, Any, Any], recipe: Recipe, dataset: Dataset[Any], indices: list[int], world: int
) -> None:
    """Raises RecipeError where batches of one image cannot train the network, before a run's folder is made.

    Batch norm over a single value, such as after global pooling, has no spread to divide by. What is dear to preprocess
    is not tried.
    """
    assert recipe.batch_size is not None
    if min(recipe.batch_size // world, len(indices)) > 1 or isinstance(network.preprocess, Precomputes):
        return
    if not has_batch_norm(network):
        return
    trial = copy.deepcopy(network).train()  # statistics of the network itself stay as they are
    keep_frozen(freeze(trial, recipe.freeze))
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            trial(network.preprocess([_first_image(dataset, indices)])[0])
    except ValueError as error:
        few = f"there are {len(indices)} training images" if len(indices) < 2 else f"batch_size is {recipe.batch_size}"
        raise RecipeError(
            f"{few}, and the network has batch norm over single values, which takes two images a batch and process "
            f"({error}); set a larger --batch-size, with more images, or take a network with frozen norms"
        ) from error


def _first_image(dataset: Dataset[Any], indices: list[int]) -> Any:
    """The first training image, or film, that can be read."""
    for index in indices:
        try:
            return dataset[index].image
        except DataError:
            continue
    raise DataError(f"{dataset.root}: none of the {len(indices)} training images can be read")
