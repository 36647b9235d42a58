"""What learns, by which rule, and how fast: parameter groups, optimizers, schedules, freezing."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from zorki.contracts import Model
from zorki.errors import RecipeError
from zorki.recipe import Recipe

ONE_CYCLE_RISE = 0.3  # share of training with a rising rate: Smith and Topin, 2018, "Super-Convergence"
ONE_CYCLE_START = 1 / 25
PLATEAU_FACTOR = 0.1
PLATEAU_PATIENCE = 3  # epochs
WARMUP_START = 1e-3


def freeze(model: Model[Any, Any, Any], what: str) -> list[nn.Module]:
    """Stops parts of a model from learning, and returns them.

    Frozen parts also stay in evaluation mode (see `keep_frozen`), so that statistics of batch norm do not drift.

    Args:
        what: "nothing", "backbone", or "-N" for all of the backbone but its last N stages.

    Raises:
        RecipeError: the model has no stages, or fewer than asked to stay free.
    """
    frozen = frozen_stages(model, what)
    for stage in frozen:
        stage.requires_grad_(False)
    return frozen


def frozen_stages(model: Model[Any, Any, Any], what: str) -> list[nn.Module]:
    """The parts that `freeze` stops; errors as there."""
    if what == "nothing":
        return []
    stages = model.backbone_stages()
    if not stages:
        raise RecipeError(f"freeze is {what}, but {type(model).__name__} has no stages to freeze; say --freeze nothing")
    keep = 0 if what == "backbone" else int(what[1:])
    if keep > len(stages):
        raise RecipeError(
            f"freeze is {what}, but the backbone has {len(stages)} stages; expected at most -{len(stages)}"
        )
    return stages[: len(stages) - keep]


def parameter_groups(model: Model[Any, Any, Any], recipe: Recipe) -> list[dict[str, Any]]:
    """Learning parameters in groups: backbone or head, with weight decay or without.

    Vectors and scalars (norms, biases, tokens' scales) are spared from decay; the backbone learns at
    `recipe.backbone_lr_scale` times the learning rate.
    """
    assert recipe.lr is not None
    assert recipe.weight_decay is not None
    backbone = {id(p) for stage in model.backbone_stages() for p in stage.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in backbone, parameter.ndim > 1), []).append(parameter)
    if not groups:
        raise RecipeError("nothing is left to learn: every parameter is frozen; free some with --freeze")
    return [
        {
            "params": parameters,
            "lr": recipe.lr * (recipe.backbone_lr_scale if in_backbone else 1.0),
            "weight_decay": recipe.weight_decay if decays else 0.0,
            "name": ("backbone" if in_backbone else "head") + ("" if decays else ", norms and biases"),
        }
        for (in_backbone, decays), parameters in groups.items()
    ]


def optimizer(model: Model[Any, Any, Any], recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer over the model's parameter groups; fused kernels where PyTorch has them."""
    groups = parameter_groups(model, recipe)
    # Fused kernels unscale float16's gradients themselves: too late for cutting them.
    fused = None if recipe.clip_grad and recipe.precision == "16" else True
    match recipe.optimizer:
        case "sgd":
            nesterov = recipe.nesterov and recipe.momentum > 0
            return torch.optim.SGD(groups, momentum=recipe.momentum, nesterov=nesterov, fused=fused)
        case "adam":
            return torch.optim.Adam(groups, fused=fused)
        case "adamw":
            return torch.optim.AdamW(groups, fused=fused)
        case _:
            return torch.optim.RMSprop(groups, momentum=recipe.momentum)


def rate_factor(recipe: Recipe, epoch: float, epochs: int) -> float:
    """The share of the largest rate at a moment of training; plateaus come on top.

    Args:
        epoch: epochs done, with the fraction of the current one.
        epochs: epochs in all.

    >>> rate_factor(Recipe(scheduler="cosine"), 5, 10)
    0.5
    """
    warm = 1.0
    if recipe.warmup_epochs and epoch < recipe.warmup_epochs:
        warm = WARMUP_START + (1 - WARMUP_START) * epoch / recipe.warmup_epochs
    progress = min(1.0, epoch / epochs)
    match recipe.scheduler:
        case "multistep":
            return float(warm * 0.1 ** sum(progress >= share for share in recipe.milestones))
        case "cosine":
            return warm * round(0.5 * (1 + math.cos(math.pi * progress)), 12)
        case "one-cycle":
            if progress < ONE_CYCLE_RISE:
                risen = 0.5 * (1 - math.cos(math.pi * progress / ONE_CYCLE_RISE))
                return warm * (ONE_CYCLE_START + (1 - ONE_CYCLE_START) * risen)
            fallen = (progress - ONE_CYCLE_RISE) / (1 - ONE_CYCLE_RISE)
            return warm * 0.5 * (1 + math.cos(math.pi * fallen))
        case _:
            return warm


@dataclass(frozen=True)
class StageSchedule:
    """Which epochs train which stage of a model, see `TrainsInStages`; one stage takes them all.

    Args:
        starts: the first epoch of each stage, from 0.
        epochs: in all.

    >>> StageSchedule.of((0.5, 0.25, 0.25), 10).starts
    (0, 5, 8)
    """

    starts: tuple[int, ...]
    epochs: int

    @staticmethod
    def of(shares: Sequence[float], epochs: int) -> StageSchedule:
        """Stages of these shares of the epochs; one of 0 is passed over. Raises RecipeError where another gets none."""
        sums = [0.0, *itertools.accumulate(shares)]
        starts = [math.floor(epochs * total + 0.5) for total in sums[:-1]]
        counts = [last - first for first, last in itertools.pairwise([*starts, epochs])]
        if any(share > 0 and not count for share, count in zip(shares, counts, strict=True)):
            raise RecipeError(
                f"epochs is {epochs}, of which one of the {len(shares)} stages would get none; set epochs to at least "
                f"{math.ceil(1 / min(share for share in shares if share > 0))}"
            )
        return StageSchedule(tuple(starts), epochs)

    def stage(self, epoch: float) -> int:
        """The stage of an epoch, from 1."""
        return bisect.bisect_right(self.starts, epoch)

    def place(self, epoch: float) -> tuple[float, int]:
        """Epochs that the stage at hand has had, and how many it gets."""
        first, last = ([*self.starts, self.epochs][self.stage(epoch) - 1 :])[:2]
        return epoch - first, last - first


class Plateau:
    """Divides the rate by ten when the monitored metric (larger is better) has not risen for three epochs."""

    def __init__(self) -> None:
        self.factor, self.best, self.stale = 1.0, -math.inf, 0

    def see(self, score: float) -> None:
        """Takes in the monitored metric of one epoch."""
        if score > self.best:
            self.best, self.stale = score, 0
            return
        self.stale += 1
        if self.stale >= PLATEAU_PATIENCE:
            self.factor, self.stale = self.factor * PLATEAU_FACTOR, 0


def keep_frozen(frozen: Sequence[nn.Module]) -> None:
    """Puts frozen parts into evaluation mode; to be called after `model.train()`."""
    for stage in frozen:
        stage.eval()
