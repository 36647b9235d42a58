"""What was not said is chosen here, and every choice has a reason that is printed and kept with the run.

An order of rank: what the user said, then what the model suggests for itself, then what suits data and machine.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zorki.contracts import Dataset, Model, TrainingDefaults
from zorki.data.transforms.flip_pairs import describe_pairs, flip_pairs
from zorki.engine.device import best_device, best_precision
from zorki.recipe import Recipe

SMALL_INPUT = 64  # pixels: below, images are cheap, and batches can be large
SEEN = 200_000  # images that training from nothing should see at least, when nobody said how long
FULL_RATE_BATCH = 128  # images: suggested rates are for this batch size, and scale with it


@dataclass(frozen=True)
class Choice:
    """A field that nobody set, what it was set to, and why."""

    name: str
    value: Any
    why: str

    def __str__(self) -> str:
        return f"{self.name} = {self.value} ({self.why})"


def complete(
    recipe: Recipe,
    model: Model[Any, Any, Any],
    dataset: Dataset[Any],
    train_count: int,
) -> tuple[Recipe, list[Choice]]:
    """The recipe with nothing left empty but the size, which the model's builder knows, and the choices made.

    `train_count` is the number of images to train on.
    """
    size = model.preprocess.size
    choices = [] if recipe.image_size is not None else [Choice("image_size", size, "the network's own")]

    own = model.defaults

    def fill(name: str, choose: Callable[[], tuple[Any, str]], suits: Any = None) -> None:
        nonlocal recipe
        if getattr(recipe, name) is not None:
            return
        value, why = choose() if suits is None else (suits, "suits this network")
        choices.append(Choice(name, value, why))
        recipe = dataclasses.replace(recipe, **{name: value})

    fill("device", lambda: best_device())
    fill("precision", lambda: best_precision(recipe.accelerator), own.precision)
    fill("batch_size", lambda: _batch_size(train_count, size), own.batch_size)
    if recipe.time is None or recipe.world > 1:  # otherwise chosen later, from the time of some steps
        fill("epochs", lambda: _epochs(recipe, train_count))
    fill("optimizer", lambda: ("sgd", "momentum serves most networks"), own.optimizer)
    fill("lr", lambda: _rate(recipe, own))
    fill("weight_decay", lambda: _weight_decay(recipe), own.weight_decay)
    warmup = (0.0, "one-cycle rises by itself" if recipe.scheduler == "one-cycle" else "not asked for")
    fill("warmup_epochs", lambda: warmup, own.warmup_epochs)
    fill("clip_grad", lambda: (0.0, "off"), own.clip_grad)
    fill("hflip", lambda: _flip(dataset))
    fill("translate", lambda: (0.0, "not asked for"), own.translate)
    fill("random_crop", lambda: _crop(recipe, size), own.random_crop)
    fill("normalize", lambda: _normalize(recipe))
    fill("workers", lambda: worker_count(recipe.accelerator, dataset, recipe.num_devices))
    return recipe, choices


def limit_val(recipe: Recipe, held_out: Mapping[str, int]) -> Choice | None:
    """How many images are evaluated where only those to train on were limited; None: there is nothing to choose.

    Args:
        held_out: images of each split that is evaluated.
    """
    if recipe.limit is None or recipe.limit_val is not None or max(held_out.values(), default=0) <= recipe.limit:
        return None
    if isinstance(recipe.limit, float):  # few labels to learn from, and all of what is held out
        return None
    counts = " and ".join(f"{count:,} of {split}" for split, count in held_out.items())
    return Choice("limit_val", recipe.limit, f"as many as --limit; --limit-val off evaluates all: {counts}")


def _batch_size(train_count: int, input_size: int) -> tuple[int, str]:
    largest = 128 if input_size <= SMALL_INPUT else 32
    # At least ten steps an epoch, so that a small dataset still gets its steps.
    size = max(2, min(largest, 2 ** max(1, (train_count // 10).bit_length() - 1)))
    return size, f"for {train_count} images of {input_size} x {input_size}"


def _epochs(recipe: Recipe, train_count: int) -> tuple[int, str]:
    if recipe.weights is not None:
        return 10, "starting from trained weights"
    epochs = max(5, min(100, round(SEEN / max(1, train_count))))
    return epochs, f"so that about {epochs * train_count:,} images are seen"


def _rate(recipe: Recipe, defaults: TrainingDefaults) -> tuple[float, str]:
    """The network's own learning rate, where it has one (`finetune_lr` on trained weights) for this optimizer."""
    assert recipe.batch_size is not None
    same = recipe.optimizer == (defaults.optimizer or "sgd")
    own = defaults.lr if same else None
    tuned = defaults.finetune_lr if same and recipe.weights else None
    if tuned is not None:
        return tuned, "suits this network on trained weights"
    if recipe.optimizer in ("adam", "adamw"):
        if own is not None and not recipe.weights:
            return own, "suits this network"
        return (3e-4, "tuning trained weights") if recipe.weights else (1e-3, f"usual for {recipe.optimizer}")
    if recipe.optimizer == "rmsprop":
        return 1e-4, "usual for rmsprop with momentum"
    full = 0.01 if recipe.weights else own or 0.05
    batch = recipe.batch_size * recipe.grad_accum
    rate = float(f"{full * min(1.0, batch / FULL_RATE_BATCH):.2g}")
    return rate, f"{full} for batches of {FULL_RATE_BATCH}" + (
        ", on trained weights" if recipe.weights else ", suits this network" if own else ""
    )


def _weight_decay(recipe: Recipe) -> tuple[float, str]:
    if recipe.optimizer == "adamw":
        return 0.05, "usual for adamw"
    if recipe.optimizer in ("adam", "rmsprop"):
        return 0.0, f"usual for {recipe.optimizer}"
    return (1e-4, "on trained weights") if recipe.weights else (5e-4, "usual for sgd")


def _flip(dataset: Dataset[Any]) -> tuple[float, str]:
    if not dataset.may_be_mirrored:
        return 0.0, "a mirrored sign or shape may be another one"
    if pairs := flip_pairs(tuple(dataset.class_names)):
        return 0.5, f"mirrored images exchange {describe_pairs(dataset.class_names, pairs, most=3)}"
    return 0.5, "photos stay true when mirrored"


def _crop(recipe: Recipe, input_size: int) -> tuple[float, str]:
    if recipe.freeze == "backbone":
        return 1.0, "the backbone is frozen"
    if input_size <= SMALL_INPUT:
        return 1.0, "the images are small"
    return (0.5, "gentle, on trained weights") if recipe.weights else (0.35, "from nothing, variety helps")


def _normalize(recipe: Recipe) -> tuple[str, str]:
    if recipe.weights is not None:
        return "weights", "as the weights were trained"
    return "mean_std", "measured on the training images"


def worker_count(device: str, dataset: Dataset[Any], devices: int = 1) -> tuple[int, str]:
    """How many processes read images, and why."""
    spare = (cores() - 1) // devices  # for each of the processes that share this computer
    if device == "cpu":
        if dataset.in_memory:
            return 0, "the images are in memory"
        # Beside a network that uses all cores, more readers would only wait for each other.
        return max(0, min(2, spare)), f"{cores()} cores, shared with the network"
    return max(1, min(8, spare)), f"{cores()} cores feed the device"


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
