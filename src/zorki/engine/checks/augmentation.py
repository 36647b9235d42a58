"""Whether what a network receives is what the data say: objects are painted, and looked for where targets say."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zorki.contracts import Section
from zorki.contracts.capabilities import LooksAtRegions, Precomputes
from zorki.data.loading.pipeline import seeded
from zorki.data.transforms.flip_pairs import flip_pairs
from zorki.draw.report import Thumbnail, image_grid
from zorki.engine.checks.report import Inspection
from zorki.engine.checks.trial import watched
from zorki.engine.device import channels_last, on_device
from zorki.engine.training.loaders import augmentation_of
from zorki.engine.training.plan import TrainingPlan
from zorki.errors import DataError, ZorkiError
from zorki.types import Batch, Boxes, Instances, Label, Mask, Sample

DRAWS = 24  # samples that are varied
PLAIN = {  # what changes colors, and covers parts
    "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, "noise": 0.0, "blur": 0.0, "cutout": 0.0,
}  # fmt: skip
SAME = 0.6  # IoU of what was painted and what the target says
WRONG = 0.15  # share of the draws
FEW = 4  # draws that are compared
SIDE = 8.0  # network pixels, below which an object's outline is mostly rounding
LOST = 0.3  # share of the boxes
PAINTED = 192  # of 255; canvases are darker
MOST_MEAN, LEAST_STD, MOST_STD = 3.0, 0.06, 3.0  # of a network's normalized inputs
SHOWN = 15


def check_inputs(inspection: Inspection, plan: TrainingPlan, batches: Sequence[Batch[Any]]) -> list[Section]:
    """All checks of augmentation, preprocessing and normalization, and the sheet of what the network receives."""
    _check_flips(inspection, plan)
    if plan.task.unit == "image" and not isinstance(plan.model.preprocess, Precomputes | LooksAtRegions):
        _check_lost(inspection, plan)
        _check_painted(inspection, plan)
        _check_channels(inspection, plan)
    if batches:
        _check_normalization(inspection, plan, batches[0])
    return _sheet(plan, batches)


def _draws(plan: TrainingPlan) -> list[int]:
    indices = plan.train_indices
    return list(indices[:: max(1, len(indices) // DRAWS)][:DRAWS])


def _plainly(plan: TrainingPlan) -> TrainingPlan:
    """The same without what changes colors."""
    own: dict[str, Any] = {
        name: value for name, value in PLAIN.items() if name in type(plan.recipe).__dataclass_fields__
    }
    return dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, **own))


def _check_flips(inspection: Inspection, plan: TrainingPlan) -> None:
    """Images mirrored in training whose classes are of a side, or whose meaning a mirror changes."""
    if not inspection.wants("ZA002") or not plan.recipe.hflip:
        return
    if not plan.dataset.may_be_mirrored:
        inspection.add("ZA002", f"images are mirrored (hflip {plan.recipe.hflip:g}), which changes what they mean")
        return
    names = plan.info.names
    sides = {label for pair in flip_pairs(names) for label in pair}
    if not sides:
        return
    plan = _plainly(dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, hflip=1.0)))
    augment = augmentation_of(plan)
    for index in plan.train_indices[:500]:
        target = plan.dataset.target(index)
        before = _labels(target)
        if not before & sides:
            continue
        try:
            sample = plan.dataset[index]
        except DataError:
            continue
        after = augment(sample, generator=seeded(torch.Generator(), "check", plan.recipe.seed, index)).target
        if _labels(after) and _labels(after) & sides & before:
            listed = " and ".join(sorted(names[label] for label in sides)[:2])
            inspection.add(
                "ZA002", f"images are mirrored, and classes of two sides, such as {listed}, keep their labels"
            )
        return


def _labels(target: Any) -> set[int]:
    if isinstance(target, Label):
        return {target.index}
    return set(target.labels.tolist()) if isinstance(target, Boxes | Instances) else set()


def _check_lost(inspection: Inspection, plan: TrainingPlan) -> None:
    """The share of boxes that crops leave out."""
    if not inspection.wants("ZA001"):
        return
    augment, before, after = augmentation_of(plan), 0, 0
    for index in _draws(plan):
        try:
            sample = plan.dataset[index]
        except DataError:
            continue
        if not isinstance(sample.target, Boxes | Instances):
            return
        before += len(sample.target)
        after += len(augment(sample, generator=seeded(torch.Generator(), "check", plan.recipe.seed, index)).target)
    if not before:
        return
    lost = 1 - after / before
    inspection.report.facts["boxes lost by augmentation"] = f"{lost:.1%} of {before:,}"
    if lost > LOST:
        inspection.add("ZA001", f"augmentation leaves out {lost:.0%} of {before:,} boxes", count=before - after)


@dataclass(frozen=True)
class _Probe:
    """An image in which one object is white, all else black, and its target: where it is."""

    sample: Sample[Any]
    label: int | None = None  # of the pixels that are white, in a map of classes


def _probe(sample: Sample[Any]) -> _Probe | None:
    """The largest object of a sample that does not fill it, painted; None where there is none."""
    height, width = sample.image.shape[-2:]
    target = sample.target
    if isinstance(target, Mask):
        return _probe_of_map(sample, target)
    if not isinstance(target, Boxes | Instances) or len(target) == 0:
        return None
    size = target.xyxy[:, 2:] - target.xyxy[:, :2]
    fitting = (size < torch.tensor([0.7 * width, 0.7 * height])).all(1)
    areas = size.prod(1) * fitting
    row = int(areas.argmax())
    if areas[row] <= 0:
        return None
    white = torch.zeros((height, width), dtype=torch.bool)
    if isinstance(target, Instances):
        white = target.masks[row].bool()
    else:
        x0, y0, x1, y1 = [round(value) for value in target.xyxy[row].tolist()]
        white[max(0, y0) : y1, max(0, x0) : x1] = True
        whole = target.xyxy.clone()
        whole[row] = torch.tensor([x0, y0, x1, y1])
        target = dataclasses.replace(target, xyxy=whole)
    return _Probe(_painted(sample, white, target[torch.tensor([row])]))


def _probe_of_map(sample: Sample[Any], target: Mask) -> _Probe | None:
    labels, counts = target.classes.unique(return_counts=True)
    shares = counts / target.classes.numel()
    fitting = [
        (abs(float(share) - 0.25), int(label))
        for label, share in zip(labels, shares, strict=True)
        if int(label) != target.ignore and 0.02 < share < 0.8
    ]
    if not fitting:
        return None
    label = min(fitting)[1]
    return _Probe(_painted(sample, target.classes == label, target), label)


def _painted(sample: Sample[Any], white: Tensor, target: Any) -> Sample[Any]:
    image = white.to(torch.uint8).mul(255)[None].repeat(3, 1, 1)
    return dataclasses.replace(sample, image=image, target=target)


def _check_painted(inspection: Inspection, plan: TrainingPlan) -> None:
    """Whether targets go where their objects go: through augmentation and preprocessing."""
    if not inspection.wants("ZA004"):
        return
    plain = _plainly(plan)
    augment = augmentation_of(plain)
    preprocess = plan.model.preprocess.whole() if (plan.recipe.random_crop or 1.0) < 1 else plan.model.preprocess
    agreed, wrong = 0, []
    for index in _draws(plan):
        try:
            probe = _probe(plan.dataset[index])
        except DataError:
            continue
        if probe is None:
            continue
        varied = augment(probe.sample, generator=seeded(torch.Generator(), "check", plan.recipe.seed, index))
        inputs, placements = preprocess([varied.image], [seeded(torch.Generator(), "preprocess", index)])
        images = inputs if isinstance(inputs, Tensor) else inputs.images
        if images.ndim != 4:
            return
        overlap = _overlap(images[0].float().mean(0) >= PAINTED, varied.target.place(placements[0]), probe)
        if overlap is None:
            continue
        agreed += 1
        if overlap < SAME:
            wrong.append(plan.dataset.path(index))
    if not agreed:
        return
    inspection.report.facts["targets where their objects are"] = f"{agreed - len(wrong)} of {agreed} varied samples"
    if agreed >= FEW and len(wrong) > WRONG * agreed:
        reason = f"in {len(wrong)} of {agreed} varied samples the target lies elsewhere than its object in the image"
        inspection.add("ZA004", reason, wrong)


def _overlap(white: Tensor, target: Any, probe: _Probe) -> float | None:
    """IoU of what is white and of what the target says, in network pixels; None where there is too little of both."""
    if isinstance(target, Mask):
        valid = target.classes != target.ignore
        expected = (target.classes == probe.label) & valid
        return _iou(white & valid, expected) if min(int(white.sum()), int(expected.sum())) > SIDE**2 else None
    if len(target) == 0:
        return None
    if isinstance(target, Instances):
        expected = target.masks[0].bool()
        return _iou(white, expected) if int(expected.sum()) > SIDE**2 else None
    height, width = white.shape
    x0, y0, x1, y1 = target.xyxy[0].tolist()
    x0, y0, x1, y1 = max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)
    if min(x1 - x0, y1 - y0) < SIDE:
        return None
    rows, columns = white.any(1).nonzero().flatten(), white.any(0).nonzero().flatten()
    if len(rows) == 0:
        return 0.0
    seen = (float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1)
    across = max(0.0, min(x1, seen[2]) - max(x0, seen[0])) * max(0.0, min(y1, seen[3]) - max(y0, seen[1]))
    both = (x1 - x0) * (y1 - y0) + (seen[2] - seen[0]) * (seen[3] - seen[1]) - across
    return across / both


def _iou(a: Tensor, b: Tensor) -> float:
    return float((a & b).sum() / (a | b).sum().clamp_min(1))


def _check_channels(inspection: Inspection, plan: TrainingPlan) -> None:
    """Whether red is still red where the first weights are: a red image and a blue one go all the way."""
    if not inspection.wants("ZA005") or not plan.train_indices:
        return
    plain = _plainly(plan)
    augment, model = augmentation_of(plain), on_device(plan.model, "cpu")
    try:
        sample = plan.dataset[plan.train_indices[0]]
    except DataError:
        return
    seen = []
    for channel in (0, 2):
        image = torch.zeros_like(sample.image)
        image[channel] = 255
        varied = augment(
            dataclasses.replace(sample, image=image), generator=seeded(torch.Generator(), "check", plan.recipe.seed, 0)
        )
        inputs = model.preprocess([varied.image], [seeded(torch.Generator(), "preprocess", 0)])[0]
        first = _first_layer(plan, inputs)
        if first is None or first.ndim != 4 or first.shape[1] not in (1, 3):
            return
        seen.append(first.mean((0, 2, 3)))
    red_less_blue = seen[0] - seen[1]
    # A network of one channel takes brightness, of which red has more than twice as much as blue.
    swapped = red_less_blue[0] < 0 if len(red_less_blue) == 1 else red_less_blue[0] < 0 < red_less_blue[2]
    if bool(swapped):
        inspection.add("ZA005", "a red image reaches the first layer as a blue one: channels are exchanged on the way")


def _first_layer(plan: TrainingPlan, inputs: Any) -> Tensor | None:
    """What the first layer with weights is given, in evaluation."""
    was = plan.model.training
    plan.model.eval()
    try:
        with torch.no_grad(), watched(plan.model) as seen:
            plan.model(channels_last(inputs))
    except ZorkiError:
        return None
    finally:
        plan.model.train(was)
    return seen.first


def _check_normalization(inspection: Inspection, plan: TrainingPlan, batch: Batch[Any]) -> None:
    """Mean and deviation of what the first layer with weights is given."""
    if not inspection.wants("ZA003"):
        return
    on_device(plan.model, "cpu")
    first = _first_layer(plan, batch.to("cpu").inputs)
    if first is None or first.ndim < 4:
        return
    # Within channels: after a second normalization they lie apart, and hardly differ within.
    mean, std = float(first.mean()), float(first.transpose(0, 1).flatten(1).std(1).mean())
    inspection.report.facts["normalized inputs"] = f"mean {mean:.3g}, deviation {std:.3g}"
    if LEAST_STD <= std <= MOST_STD and abs(mean) <= MOST_MEAN:
        return
    why = "not at all" if float(first.abs().max()) > 100 else "twice, or with another scale"
    inspection.add("ZA003", f"the first layer is given mean {mean:.3g}, deviation {std:.3g}: normalized {why}")


def _sheet(plan: TrainingPlan, batches: Sequence[Batch[Any]]) -> list[Section]:
    """What the network receives, with its targets drawn back."""
    thumbnails: list[Thumbnail] = []
    for batch in batches:
        images = batch.inputs if isinstance(batch.inputs, Tensor) else batch.inputs.images
        if images.ndim != 4 or len(images) != len(batch) or images.dtype != torch.uint8:
            break
        for row in range(len(batch)):
            target = batch.placed[row].numpy()
            image = plan.task.presentation.thumbnail(images[row].numpy(), target, plan.info)
            path = plan.dataset.path(batch.indices[row])
            thumbnails.append(Thumbnail(image, plan.task.presentation.caption(target, plan.info), name=path.name))
    if not thumbnails:
        return []
    note = "The first samples as augmentation and preprocessing leave them, with their targets drawn back."
    return [Section("What the network receives", image_grid(thumbnails[:SHOWN]), note)]
