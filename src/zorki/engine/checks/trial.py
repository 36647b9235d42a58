"""Some steps of a training on a copy of its network: losses, gradients, and what its layers give."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from zorki.contracts import Model
from zorki.contracts.capabilities import UpdatesAfterStep
from zorki.engine.device import autocast, laid_out, on_device
from zorki.engine.training import optimizer as optimize
from zorki.engine.training.loaders import train_loader_of
from zorki.engine.training.plan import TrainingPlan
from zorki.errors import RecipeError
from zorki.types import Batch

MOST_PIXELS = 8 * 320 * 320  # of all images of a trial's batch
MOST_IMAGES = 16

_RELUS: tuple[Any, ...] = (
    torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, nn.functional.relu, nn.functional.relu6, nn.functional.relu_,
)  # fmt: skip


def trial_batches(plan: TrainingPlan, count: int) -> list[Batch[Any]]:
    """The first batches of the training, smaller where its images are many or large."""
    side = max(1, plan.model.preprocess.size)
    fitting = max(2, min(MOST_IMAGES, MOST_PIXELS // (side * side)))
    planned = plan.recipe.batch_size or fitting
    sizes = [min(planned, fitting), planned]
    for size in sizes:
        smaller = dataclasses.replace(plan.recipe, batch_size=size, workers=0)
        try:
            loader = train_loader_of(dataclasses.replace(plan, recipe=smaller))
        except RecipeError:  # a sampler of a batch size of its own
            if size == planned:
                raise
            continue
        found = []
        for batch in loader:
            found.append(batch)
            if len(found) == count:
                break
        return found
    return []


@dataclass
class StepTrace:
    """What a trial's steps gave.

    Attributes:
        losses: the sum of the losses before each step; not finite where training ran away.
        gradients: the norm of each parameter's gradient, by name and step; None where there was none.
        seconds: of each step.
    """

    losses: list[float] = field(default_factory=list)
    gradients: list[dict[str, float | None]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def fall(self) -> float:
        """The share of the first loss that is gone at the end, negative where it rose; -inf where it ran away."""
        last = self.losses[-3:]
        if not all(map(math.isfinite, last)) or not last:
            return -math.inf
        return 1 - (sum(last) / len(last)) / max(abs(self.losses[0]), 1e-9)

    @property
    def spike(self) -> float:
        """The largest loss, in times of the first; inf where training ran away."""
        return max((one if math.isfinite(one) else math.inf for one in self.losses), default=0.0) / max(
            abs(self.losses[0]), 1e-9
        )


class Trial:
    """A copy of a planned training's network, trained on one batch over and over."""

    def __init__(self, plan: TrainingPlan, factor: float = 1.0) -> None:
        """A copy, with an optimizer whose learning rates are `factor` times the planned ones."""
        assert plan.recipe.lr is not None
        self.recipe = dataclasses.replace(plan.recipe, lr=plan.recipe.lr * factor)
        self.device = plan.recipe.main_device
        self.model: Model[Any, Any, Any] = on_device(copy.deepcopy(plan.model), self.device)
        self.frozen = optimize.freeze(self.model, self.recipe.freeze)
        self.optimizer = optimize.optimizer(self.model, self.recipe)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]

    def loss(self, batch: Batch[Any]) -> Tensor:
        """The sum of the losses of a batch on the device, as training has it."""
        return torch.stack(list(self.outputs_and_losses(batch)[1].values())).sum()

    def outputs_and_losses(self, batch: Batch[Any]) -> tuple[Any, dict[str, Tensor]]:
        """Raw outputs for a batch on the device, and its losses by name, as training has them."""
        self.model.train()
        optimize.keep_frozen(self.frozen)
        with autocast(self.device, self.recipe.precision or "32"):
            outputs = self.model(laid_out(batch.inputs, self.model))
            losses = self.model.loss(outputs, batch.placed)
        return outputs, {name: loss.float() for name, loss in losses.items()}

    def run(
        self, batch: Batch[Any], steps: int, enough: Callable[[StepTrace], bool] = lambda trace: False
    ) -> StepTrace:
        """Steps on the batch, until there were so many or they are enough; a planned warm-up takes half of them."""
        trace, batch = StepTrace(), batch.to(self.device)
        warm = steps // 2 if self.recipe.warmup_epochs or self.recipe.scheduler == "one-cycle" else 0
        for step in range(steps):
            began = time.monotonic()
            share = (step + 1) / warm if step < warm else 1.0
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate * share
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(batch)
            trace.losses.append(float(loss.detach()))
            if not math.isfinite(trace.losses[-1]):
                break
            loss.backward()  # type: ignore[no-untyped-call]
            trace.gradients.append(_norms(self.model))
            if self.recipe.clip_grad:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_grad)
            self.optimizer.step()
            if isinstance(self.model, UpdatesAfterStep):
                self.model.after_step(0.0)
            trace.seconds.append(time.monotonic() - began)
            if enough(trace):
                break
        return trace


def _norms(model: nn.Module) -> dict[str, float | None]:
    learning = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    return {name: None if one.grad is None else float(one.grad.norm()) for name, one in learning}


@dataclass
class LayerOutputs:
    """What layers gave in one forward pass.

    Attributes:
        first: the input of the first layer that has weights.
        dead: for each ReLU, in order: the module that it stands in, how many channels it has, and how many of them are
            0 everywhere.
    """

    first: Tensor | None = None
    dead: list[tuple[str, int, int]] = field(default_factory=list)


@contextmanager
def watched(model: nn.Module) -> Iterator[LayerOutputs]:
    """Within, what the layers of a model give is noted."""
    seen, stack, hooks = LayerOutputs(), [""], []
    for name, module in model.named_modules():
        hooks.append(module.register_forward_pre_hook(_entering(stack, name)))
        hooks.append(module.register_forward_hook(_leaving(stack)))
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear | nn.Conv1d):
            hooks.append(module.register_forward_pre_hook(_first_input(seen)))
    try:
        with _Relus(seen, stack):
            yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _entering(stack: list[str], name: str) -> Callable[..., None]:
    return lambda module, inputs: stack.append(name)


def _leaving(stack: list[str]) -> Callable[..., None]:
    def leave(module: nn.Module, inputs: Any, outputs: Any) -> None:
        stack.pop()

    return leave


def _first_input(seen: LayerOutputs) -> Callable[..., None]:
    def note(module: nn.Module, inputs: Sequence[Any]) -> None:
        if seen.first is None and inputs and isinstance(inputs[0], Tensor):
            seen.first = inputs[0].detach().float().cpu()

    return note


class _Relus(TorchFunctionMode):
    """Notes what ReLUs give, those of functions as those of modules."""

    def __init__(self, seen: LayerOutputs, stack: list[str]) -> None:
        super().__init__()
        self.seen, self.stack = seen, stack

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _RELUS and isinstance(result, Tensor) and result.ndim >= 2:
            alive = (result.detach() != 0).flatten(2).any(2) if result.ndim > 2 else result.detach() != 0
            channels = alive.any(0)
            self.seen.dead.append((self.stack[-1], channels.numel(), int((~channels).sum())))
        return result
