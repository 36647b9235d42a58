"""Whether what a network receives is what the data say: flips, crops, colors and normalization."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zorki.contracts import Section
from zorki.contracts.capabilities import DrawsInputs, Precomputes
from zorki.data.loading.pipeline import seeded
from zorki.data.transforms.flip_pairs import flip_pairs
from zorki.data.video.films import HeldFilm
from zorki.draw.report import Thumbnail, image_grid
from zorki.engine.checks.painted.draws import draws, pixels_of, plainly
from zorki.engine.checks.painted.joints import check_painted_joints
from zorki.engine.checks.painted.objects import check_painted_objects
from zorki.engine.checks.report import Inspection
from zorki.engine.checks.trial import watched
from zorki.engine.device import laid_out, on_device
from zorki.engine.training.loaders import augmentation_of
from zorki.engine.training.plan import TrainingPlan
from zorki.errors import DataError, ZorkiError
from zorki.types import Batch, Boxes, Film, Instances, Label

LOST = 0.3  # share of the boxes
MOST_MEAN, LEAST_STD, MOST_STD = 3.0, 0.06, 3.0  # of a network's normalized inputs
SHOWN = 15


def check_inputs(inspection: Inspection, plan: TrainingPlan, batches: Sequence[Batch[Any]]) -> list[Section]:
    """All checks of augmentation, preprocessing and normalization, and the sheet of what the network receives."""
    _check_flips(inspection, plan)
    if plan.task.unit == "image":
        _check_lost(inspection, plan)
        check_painted_objects(inspection, plan)
        check_painted_joints(inspection, plan)
    if plan.task.unit != "video" and not isinstance(plan.model.preprocess, Precomputes):
        _check_channels(inspection, plan)
    if batches:
        _check_normalization(inspection, plan, batches[0])
    return _sheet(plan, batches)


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
    plan = plainly(dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, hflip=1.0)))
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
    if "ZA001" not in inspection.chosen:
        return
    augment, before, after = augmentation_of(plan), 0, 0
    for index in draws(plan):
        try:
            sample = plan.dataset[index]
        except DataError:
            continue
        if not isinstance(sample.target, Boxes | Instances):
            return
        before += len(sample.target)
        after += len(augment(sample, generator=seeded(torch.Generator(), "check", plan.recipe.seed, index)).target)
    if not before or not inspection.wants("ZA001"):
        return
    lost = 1 - after / before
    inspection.report.facts["boxes lost by augmentation"] = f"{lost:.1%} of {before:,}"
    if lost > LOST:
        inspection.add("ZA001", f"augmentation leaves out {lost:.0%} of {before:,} boxes", count=before - after)


def _check_channels(inspection: Inspection, plan: TrainingPlan) -> None:
    """Whether red is still red where the first weights are: a red image and a blue one go all the way."""
    if "ZA005" not in inspection.chosen or not plan.train_indices:
        return
    augment, model = augmentation_of(plainly(plan)), on_device(plan.model, "cpu")
    try:
        sample = plan.dataset[plan.train_indices[0]]
    except DataError:
        return
    seen = []
    for channel in (0, 2):
        generator = seeded(torch.Generator(), "check", plan.recipe.seed, 0)
        varied = augment(dataclasses.replace(sample, image=_plain(sample.image, channel)), generator=generator)
        # Without chance, as in evaluation: views of pretraining change colors.
        first = _first_layer(plan, model.preprocess([varied.image])[0])
        if first is None or first.ndim not in (4, 5) or first.shape[1] not in (1, 3):
            return
        seen.append(first.transpose(0, 1).flatten(1).mean(1))
    inspection.wants("ZA005")
    red_less_blue = seen[0] - seen[1]
    # A network of one channel takes brightness, of which red has more than twice as much as blue.
    swapped = red_less_blue[0] < 0 if len(red_less_blue) == 1 else red_less_blue[0] < 0 < red_less_blue[2]
    if bool(swapped):
        inspection.add("ZA005", "a red image reaches the first layer as a blue one: channels are exchanged on the way")


def _plain(image: Any, channel: int) -> Any:
    """The same in one color, red, green or blue; a film of a file becomes one in memory, whose frames are all one."""
    plain = torch.zeros((3, *image.shape[-2:]), dtype=torch.uint8)
    plain[channel] = 255
    frames = plain.expand(image.shape)
    return HeldFilm(frames, image.rate) if isinstance(image, Film) else frames.clone()


def _first_layer(plan: TrainingPlan, inputs: Any) -> Tensor | None:
    """What the first layer with weights is given, in evaluation."""
    was = plan.model.training
    plan.model.eval()
    try:
        with torch.no_grad(), watched(plan.model) as seen:
            plan.model(laid_out(inputs, plan.model))
    except ZorkiError:
        return None
    finally:
        plan.model.train(was)
    return seen.first


def _check_normalization(inspection: Inspection, plan: TrainingPlan, batch: Batch[Any]) -> None:
    """Mean and deviation of what the first layer with weights is given."""
    if "ZA003" not in inspection.chosen:
        return
    on_device(plan.model, "cpu")
    first = _first_layer(plan, batch.to("cpu").inputs)
    if first is None or first.ndim < 4:
        return
    inspection.wants("ZA003")
    # Within channels: after a second normalization they lie apart, and hardly differ within.
    mean, std = float(first.mean()), float(first.transpose(0, 1).flatten(1).std(1).mean())
    inspection.report.facts["normalized inputs"] = f"mean {mean:.3g}, deviation {std:.3g}"
    if LEAST_STD <= std <= MOST_STD and abs(mean) <= MOST_MEAN:
        return
    why = "not at all" if float(first.abs().max()) > 100 else "twice, or with another scale"
    inspection.add("ZA003", f"the first layer is given mean {mean:.3g}, deviation {std:.3g}: normalized {why}")


def _sheet(plan: TrainingPlan, batches: Sequence[Batch[Any]]) -> list[Section]:
    """What the network receives, with its targets drawn back; of views and pairs of frames the sheet that a run has."""
    title, presentation = "What the network receives", plan.task.presentation
    if batches and isinstance(presentation, DrawsInputs):
        sheet = presentation.draw_inputs(batches[0].to("cpu").inputs)
        note = "The first samples as augmentation and preprocessing leave them."
        return [Section(title, image_grid([Thumbnail(sheet, presentation.inputs_name)]), note)]
    thumbnails: list[Thumbnail] = []
    for batch in batches:
        images = pixels_of(batch.inputs)
        if images is None or images.ndim not in (4, 5) or len(images) != len(batch) or images.dtype != torch.uint8:
            break
        for row in range(len(batch)):
            target = batch.placed[row].numpy()
            image = presentation.thumbnail(images[row].numpy(), target, plan.info)
            path = plan.dataset.path(batch.indices[row])
            thumbnails.append(Thumbnail(image, presentation.caption(target, plan.info), name=path.name))
    if not thumbnails:
        return []
    note = "The first samples as augmentation and preprocessing leave them, with their targets drawn back."
    return [Section(title, image_grid(thumbnails[:SHOWN]), note)]
