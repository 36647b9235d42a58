"""`zorki check MODEL DATA`: whether a planned training can learn, told by some steps on a copy of its network."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zorki.contracts import Model
from zorki.contracts.capabilities import (
    ExpectsLoss,
    ExpectsLosses,
    FillsWeights,
    HasFixedParts,
    StartsFromPrior,
    TrainsInStages,
    UpdatesAfterStep,
)
from zorki.durations import duration_text, short_text
from zorki.engine.checks.objects import can_be_bare, is_bare
from zorki.engine.checks.report import Inspection
from zorki.engine.checks.trial import StepTrace, Trial, trial_batches, watched
from zorki.engine.device import seeded
from zorki.engine.evaluation.benchmark_run import peak_memory
from zorki.engine.evaluation.ensemble import baseline
from zorki.engine.training.duration import Workload
from zorki.engine.training.optimizer import frozen_stages
from zorki.engine.training.plan import TrainingPlan
from zorki.types import Batch, map_tensors

LEARNING = {"ZM004", "ZM006", "ZM007", "ZM010", "ZM012"}  # what is told by steps on one batch
BATCHES = 3
STEPS, LEAST_STEPS = 30, 8
SPENT = 0.3  # of the time that is left, for steps at one learning rate
LEARNED = 0.15  # share of the first loss that some steps on one batch take away at least
ENOUGH = 0.4  # share at which they can end
RISEN = 0.5  # share of the first loss by which it is larger at the end
SPIKE = 2.5  # times the first loss, beyond which a learning rate is too high even where the loss falls again
OFF = 2.5  # times the loss of theory, or its inverse, that a first loss may be: chance is part of it
OFF_PRIOR = 10  # times the prior, that half of all places may be; a head that was trained lies below it
DUMMY = 0.95  # score of a dummy from which on the metric tells nothing
DEAD = 0.95  # share of a ReLU's channels
FEW_CHANNELS = 4
VANISHED, EXPLODED = 1e-6, 1e4  # of the last stage's gradients, relative to weights; of any, relative to its weights
APART = 1e-2  # relative difference of an image's outputs alone and in a batch
LONG = 86_400  # seconds of a planned training
BARE_SAMPLES, BARE_SHARE = 12, 0.9


def check_training(inspection: Inspection, plan: TrainingPlan) -> list[Batch[Any]]:
    """All checks of model and loss; what came of the loader is given back, for others to look at."""
    _check_dummy(inspection, plan)
    if not inspection.has_time("steps of training", 0.9):
        return []
    wanted = any(id.startswith("ZM") for id in inspection.chosen)
    with seeded(plan.recipe.main_device, plan.recipe.seed):
        batches = trial_batches(plan, BATCHES)
        if not batches:
            inspection.leave_out("steps of training: there is no batch")
        if not batches or not wanted:
            return batches
        batch = max(batches, key=_objects)
        _check_background(inspection, plan, batches)
        trial = Trial(plan)
        _check_frozen(inspection, plan)
        if not _check_first_loss(inspection, plan, trial, batch):
            return batches
        _check_relus(inspection, trial, batch)
        _check_alone(inspection, plan, batch)
        if inspection.chosen & LEARNING:
            trace, images = _check_learning(inspection, plan, trial, batch)
            _check_gradients(inspection, trial, trace)
            _tell_cost(inspection, plan, trace, images)
    return batches


def _objects(batch: Batch[Any]) -> int:
    return sum(not is_bare(target.numpy(), set()) for target in batch.placed)


def _check_dummy(inspection: Inspection, plan: TrainingPlan) -> None:
    """The score of the best prediction that looks at no image."""
    if "ZM001" not in inspection.chosen or not inspection.has_time("score of a dummy", 0.7):
        return
    splits = plan.data_survey.splits
    split = "val" if splits.get("val") else "test"
    if not (indices := splits.get(split, [])[:500]):
        return
    scores = baseline(plan.task, plan.info, plan.dataset, plan.train_indices[:20_000], indices)
    score = None if scores is None else scores.get(plan.task.monitor)
    if score is None or not inspection.wants("ZM001"):
        return
    inspection.report.facts["a dummy reaches"] = f"{plan.task.monitor} {score:.4f} on {split}, without any image"
    if score >= DUMMY:
        inspection.add("ZM001", f"a dummy reaches {plan.task.monitor} {score:.4f} on {split}, without any image")


def _check_background(inspection: Inspection, plan: TrainingPlan, batches: Sequence[Batch[Any]]) -> None:
    """Batches in which nothing is to be found, of data in which there is."""
    background = set(plan.info.background)
    targets = [target.numpy() for batch in batches for target in batch.placed]
    if len(targets) < BARE_SAMPLES or not can_be_bare(targets[0]) or not inspection.wants("ZM011"):
        return
    drawn = [is_bare(target, background) for target in targets]
    if sum(drawn) < BARE_SHARE * len(drawn):
        return
    indices = [index for batch in batches for index in batch.indices]
    before = [is_bare(plan.dataset.target_arrays(index), background) for index in indices]
    reason = f"{sum(drawn)} of {len(drawn)} samples of the first batches show background alone, as training has them"
    reason += f"; of the same samples as they are in the data, {sum(before)} do"
    inspection.add("ZM011", reason, [plan.dataset.path(index) for index in indices])


def _check_frozen(inspection: Inspection, plan: TrainingPlan) -> None:
    """Weights of the head that do not learn, though nobody asked for that."""
    if isinstance(plan.model, UpdatesAfterStep | TrainsInStages) or not inspection.wants("ZM005"):
        return
    fixed = tuple(plan.model.fixed_parts) if isinstance(plan.model, HasFixedParts) else ()
    fixed += tuple(plan.model.filled_weights) if isinstance(plan.model, FillsWeights) else ()
    stages = {id(p) for stage in plan.model.backbone_stages() for p in stage.parameters()}
    asked = {id(p) for stage in frozen_stages(plan.model, plan.recipe.freeze) for p in stage.parameters()}
    frozen = [
        name
        for name, parameter in plan.model.named_parameters()
        if not parameter.requires_grad
        and parameter.ndim > 1
        and id(parameter) not in stages | asked
        and not name.startswith(fixed)
    ]
    if frozen:
        reason = f"{_weights(frozen)} of the head do not learn, and --freeze is {plan.recipe.freeze}: {_some(frozen)}"
        inspection.add("ZM005", reason, count=len(frozen))


def _check_first_loss(inspection: Inspection, plan: TrainingPlan, trial: Trial, batch: Batch[Any]) -> bool:
    """Whether the loss at the start is a number, and near what an untrained network has by theory."""
    inspection.wants("ZM002")
    with torch.no_grad():
        outputs, losses = Trial(plan).outputs_and_losses(batch.to(trial.device))
        first = {name: float(loss) for name, loss in losses.items()}
        expected = _expected(plan.model, outputs, batch)
        typical = _typical_score(plan.model, outputs)
    total = sum(first.values())
    inspection.report.facts["loss at the start"] = f"{total:.4g}"
    if not math.isfinite(total):
        inspection.add("ZM002", f"the loss of the first batch is {total}")
        return False
    if isinstance(plan.model, StartsFromPrior) and typical > OFF_PRIOR * plan.model.prior and inspection.wants("ZM003"):
        reason = f"half of all places are an object with {typical:.2g} or more; an untrained head begins at about "
        inspection.add("ZM003", f"{reason}{plan.model.prior:g}, by its bias, as nearly all are background")
        return True  # the loss, which follows from it, is told no second time
    _check_prior(inspection, plan, {TOTAL: total, **first}, expected)
    return True


def _typical_score(model: Model[Any, Any, Any], outputs: Any) -> float:
    """The median probability of an object at a place; of few places and many objects the loss does not tell it.

    In images of 64 pixels a fifth of all places learn an object: at an even chance they lose as much less as the
    others lose more, and the loss is that of the prior.
    """
    return float(model.place_scores(outputs).median()) if isinstance(model, StartsFromPrior) else 0.0


TOTAL = ""  # the name of the sum of all losses


def _expected(model: Model[Any, Any, Any], outputs: Any, batch: Batch[Any]) -> dict[str, float]:
    """Losses of an untrained network by theory, by name: single ones, or their sum; none where there is no theory."""
    if isinstance(model, ExpectsLosses):
        return model.expected_losses(outputs, batch.placed)
    total = model.expected_loss() if isinstance(model, ExpectsLoss) else None
    return {} if total is None else {TOTAL: total}


def _check_prior(
    inspection: Inspection, plan: TrainingPlan, first: Mapping[str, float], expected: Mapping[str, float]
) -> None:
    """First losses against those by theory; of weights that were trained, a lower one is no fault."""
    own = {name: value for name, value in expected.items() if value > 0 and math.isfinite(value)}
    if not own or not inspection.wants("ZM003"):
        return
    told = "; ".join(
        f"{f'{name} {first[name]:.4g}, ' if name else ''}{value:.4g} by theory" for name, value in own.items()
    )
    inspection.report.facts["loss at the start"] += f"{', ' if TOTAL in own else ', of which '}{told}"
    for name, value in own.items():
        least = value / OFF if plan.recipe.weights is None else 0.0
        if not least <= first[name] <= value * OFF:
            what = f"the loss {name!r}" if name else "the loss"
            reason = f"{what} at the start is {first[name]:.4g}; a network that knows nothing has {value:.4g}"
            inspection.add("ZM003", reason)


def _check_relus(inspection: Inspection, trial: Trial, batch: Batch[Any]) -> None:
    if not inspection.wants("ZM008"):
        return
    with torch.no_grad(), watched(trial.model) as seen:
        trial.loss(batch.to(trial.device))
    dead = [(name, count, zero) for name, count, zero in seen.dead if count >= FEW_CHANNELS and zero >= DEAD * count]
    if dead:
        name, count, zero = dead[0]
        reason = (
            f"{len(dead)} of {len(seen.dead)} ReLUs give 0 alone, first in {name or 'the model'}: {zero} of {count}"
        )
        inspection.add("ZM008", f"{reason} channels, for {len(batch)} images", count=len(dead))


def _check_alone(inspection: Inspection, plan: TrainingPlan, batch: Batch[Any]) -> None:
    """Whether outputs for an image depend on the others of its batch, in evaluation."""
    if len(batch) < 2 or "ZM009" not in inspection.chosen:
        return
    trial = Trial(plan)
    inputs = _first(batch.to(trial.device).inputs, min(4, len(batch)), len(batch))
    if inputs is None:
        return
    model = trial.model.eval()
    with torch.no_grad():
        together, alone = model(inputs), model(_first(inputs, 1, min(4, len(batch))))
    worst = _difference(together, alone, min(4, len(batch)))
    if worst is not None and inspection.wants("ZM009") and worst > APART:
        inspection.add(
            "ZM009", f"outputs for an image differ by {worst:.1%} alone and beside {min(3, len(batch) - 1)} others"
        )


def _first(inputs: Any, count: int, total: int) -> Any:
    """The inputs of the first images; None where they are not one a row."""
    found: list[Tensor] = []
    map_tensors(inputs, lambda tensor: found.append(tensor) or tensor)  # type: ignore[func-returns-value]
    lists = dataclasses.is_dataclass(inputs) and any(
        isinstance(getattr(inputs, f.name), list) for f in dataclasses.fields(inputs)
    )
    if lists or not found or any(len(tensor) != total for tensor in found):
        return None
    return map_tensors(inputs, lambda tensor: tensor[:count])


def _difference(together: Any, alone: Any, count: int) -> float | None:
    """The largest difference of outputs of the first image, relative to the largest output; None: not comparable."""
    pairs: list[tuple[Tensor, Tensor]] = []
    first, second = _tensors(together), _tensors(alone)
    for a, b in zip(first, second, strict=False):
        if (
            a.ndim
            and b.ndim
            and len(a) == count
            and len(b) == 1
            and a.shape[1:] == b.shape[1:]
            and a.is_floating_point()
        ):
            pairs.append((a[:1].float(), b.float()))
    differences = [float((a - b).abs().max() / a.abs().max().clamp_min(1e-3)) for a, b in pairs if a.numel()]
    return max(differences) if differences else None


def _tensors(outputs: Any) -> list[Tensor]:
    found: list[Tensor] = []
    map_tensors(outputs, lambda tensor: found.append(tensor) or tensor)  # type: ignore[func-returns-value]
    return found


def _check_learning(
    inspection: Inspection, plan: TrainingPlan, trial: Trial, batch: Batch[Any]
) -> tuple[StepTrace, int]:
    """Whether the loss of one batch falls, at the planned learning rate or at others; its steps, and its images."""
    inspection.wants("ZM004", "ZM010")
    while True:
        began = inspection.left
        trace = trial.run(batch, 2)
        step = max(1e-3, (began - inspection.left) / 2)
        steps = min(STEPS, int(SPENT * inspection.left / step))
        if steps >= LEAST_STEPS or len(batch) < 4 or (half := _half(batch)) is None or not _tells(trial, half):
            break
        batch = half
    if steps < LEAST_STEPS:
        inspection.leave_out(f"learning one batch: a step takes {short_text(step)}")
        return trace, len(batch)
    trace = Trial(plan).run(batch, steps, _is_enough)
    inspection.report.facts["one batch, over and over"] = (
        f"loss {trace.losses[0]:.4g} to {trace.losses[-1]:.4g} in {len(trace.losses)} steps of {len(batch)} images"
    )
    if not _learns(trace):
        _check_rates(inspection, plan, batch, trace, steps, step)
    return trace, len(batch)


@torch.no_grad()
def _tells(trial: Trial, batch: Batch[Any]) -> bool:
    """Whether there is anything to learn from it: of images of one class alone, triplets have no loss."""
    return float(trial.loss(batch.to(trial.device))) > 0


def _learns(trace: StepTrace) -> bool:
    return trace.fall >= LEARNED and trace.spike < SPIKE


def _check_rates(
    inspection: Inspection, plan: TrainingPlan, batch: Batch[Any], trace: StepTrace, steps: int, step: float
) -> None:
    """Where the planned learning rate does not serve, whether another one does; a step takes `step` seconds."""
    lr = plan.recipe.lr or 0.0
    way = f"from {trace.losses[0]:.4g} to {trace.spike * trace.losses[0]:.4g} in {len(trace.losses)} steps"
    too_high = f"at the learning rate {lr:g} the loss of one batch goes {way}"
    for factor in (0.1, 0.01, 10.0):
        if inspection.left < step * steps:
            inspection.leave_out("other learning rates: no time was left")
            if trace.fall < -RISEN or trace.spike >= SPIKE:  # which no rate that serves does to one batch
                inspection.add("ZM010", too_high)
            return
        other = Trial(plan, factor).run(batch, steps, _is_enough)
        if not _learns(other):
            continue
        if factor < 1:
            inspection.add("ZM010", f"{too_high}; at {lr * factor:g} it falls to {other.losses[-1]:.4g}")
        return
    reason = f"the loss of one batch of {len(batch)} images stays at {trace.losses[-1]:.4g} of {trace.losses[0]:.4g}"
    inspection.add("ZM004", f"{reason} in {steps} steps, at learning rates from {lr / 100:g} to {lr * 10:g}")


def _is_enough(trace: StepTrace) -> bool:
    return len(trace.losses) >= LEAST_STEPS and trace.fall > ENOUGH


def _half(batch: Batch[Any]) -> Batch[Any] | None:
    """The first half of the batch; None where its inputs are not one a row."""
    count = len(batch) // 2
    inputs = _first(batch.inputs, count, len(batch))
    if inputs is None:
        return None
    return Batch(inputs, batch.targets[:count], batch.placed[:count], batch.placements[:count], batch.indices[:count])


def _check_gradients(inspection: Inspection, trial: Trial, trace: StepTrace) -> None:
    """Weights that no step has given a gradient, and such that run away or vanish on the way down."""
    if not trace.gradients:
        return
    sizes = {name: float(p.detach().norm()) for name, p in trial.model.named_parameters() if p.ndim > 1}
    names = [name for name in trace.gradients[0] if name in sizes]
    zero = [name for name in names if not any(step[name] for step in trace.gradients)]
    # A gradient of 0 in a head is no broken way: no target of the batch is its, such as objects of its size.
    backbone = _in_backbone(trial.model)
    idle = [name for name in zero if name not in backbone and trace.gradients[0][name] is not None]
    if idle:
        inspection.report.facts["weights that no target of the batch reaches"] = _some(idle)
        zero = [name for name in zero if name not in idle]
    if inspection.wants("ZM006") and zero:
        steps = f"{len(trace.gradients)} step{'' if len(trace.gradients) == 1 else 's'}"
        inspection.add("ZM006", f"{_weights(zero)} got no gradient in {steps}: {_some(zero)}", count=len(zero))
    if not inspection.wants("ZM007"):
        return
    first = trace.gradients[0]
    shares = {name: (first[name] or 0.0) / sizes[name] for name in names if first[name] and sizes[name] > 1e-6}
    if not shares:
        return
    worst = max(shares, key=lambda name: shares[name])
    if not shares[worst] <= EXPLODED:
        inspection.add("ZM007", f"the gradient of {worst} is {shares[worst]:.2g} times as large as its weights")
        return
    ends = [_of(stage, trial.model, shares) for stage in trial.model.backbone_stages()]
    ends = [end for end in ends if end]
    if len(ends) > 1 and max(ends[0]) < VANISHED * max(ends[-1]):
        reason = f"gradients are {max(ends[-1]):.2g} of the weights in the last stage of the backbone, in the first "
        inspection.add("ZM007", f"{reason}{max(ends[0]):.2g}")


def _in_backbone(model: Model[Any, Any, Any]) -> set[str]:
    """Names of the weights of the backbone's stages."""
    own = {id(parameter) for stage in model.backbone_stages() for parameter in stage.parameters()}
    return {name for name, parameter in model.named_parameters() if id(parameter) in own}


def _of(stage: nn.Module, model: nn.Module, shares: Mapping[str, float]) -> list[float]:
    """The shares of the weights of a stage."""
    own = {id(parameter) for parameter in stage.parameters()}
    return [shares[name] for name, parameter in model.named_parameters() if id(parameter) in own and name in shares]


def _tell_cost(inspection: Inspection, plan: TrainingPlan, trace: StepTrace, images: int) -> None:
    """Time and memory of a step, and the length of the planned training."""
    if not trace.seconds or not inspection.wants("ZM012"):
        return
    recipe, facts = plan.recipe, inspection.report.facts
    step = sorted(trace.seconds)[len(trace.seconds) // 2] * (recipe.batch_size or images) / images
    facts["a step"] = f"about {short_text(step)} for {recipe.batch_size} images, without reading them"
    facts["peak memory"] = f"{peak_memory(recipe.main_device) / 1e9:.1f} GB at {images} images"
    if recipe.epochs is None:
        return
    size = recipe.batch_size or images
    steps = max(1, len(plan.train_indices) // size)
    held_out = {name: -(-len(own) // size) for name, own in plan.data_survey.splits.items() if name != "train"}
    work = Workload(recipe.epochs, steps, held_out.get("val", 0), sum(held_out.values()))
    total = work.seconds_left(0, step)
    facts["planned training"] = f"about {duration_text(total)}: {recipe.epochs} epochs of {steps:,} steps"
    if total > LONG:
        inspection.add("ZM012", f"the planned training takes about {duration_text(total)} on {recipe.main_device}")


def _weights(names: Sequence[str]) -> str:
    return f"{len(names)} weight{'' if len(names) == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
