"""One joint of an object is painted as a disc; the target is asked for it where the disc is afterwards.

In a mirrored image the disc of a left joint is that of its right twin: once the image is mirrored for sure, and once it
is not, so that the joint that is looked for is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from zorki.contracts.capabilities import LooksAtRegions
from zorki.data.loading.pipeline import seeded
from zorki.data.transforms.flip_pairs import mirrored_order, parse_flip_pairs
from zorki.engine.checks.painted.draws import (
    FEW,
    PAINTED,
    WRONG,
    draws,
    painted,
    pixels_of,
    plainly,
    preprocess_of,
    tell_moved,
)
from zorki.engine.checks.report import Inspection
from zorki.engine.training.loaders import augmentation_of
from zorki.engine.training.plan import TrainingPlan
from zorki.errors import DataError
from zorki.types import Crops, Keypoints, Sample

RADIUS = 0.03  # of a disc, in shares of the object's size
SMALLEST = 2.0  # pixels of a disc's radius
FAR = 1.0  # radii from a disc's center to its joint, beyond which they are parted, and a pixel of rounding


@dataclass(frozen=True)
class _Probe:
    """A joint of one object, painted: `joint` is its place among all, `radius` the disc's in pixels."""

    sample: Sample[Keypoints]
    joint: int
    radius: float


def check_painted_joints(inspection: Inspection, plan: TrainingPlan) -> None:
    """Whether joints go where the image goes, and left ones become right ones where it is mirrored."""
    if plan.info.skeleton is None or "ZA004" not in inspection.chosen:
        return
    order = _twins(plan)
    compared, wrong, sides, unmoved = 0, [], 0, []
    for number, index in enumerate(draws(plan)):
        mirrors = bool(plan.recipe.hflip) and number % 2 == 0
        try:
            probe = _probe(plan.dataset[index], number, order)
        except DataError:
            continue
        if probe is None:
            continue
        found = _offsets(plan, probe, index, mirrors)
        if found is None:
            continue
        joint = order[probe.joint] if mirrors else probe.joint
        limit = FAR * found.radius + 1
        compared += 1
        if joint != probe.joint and not bool(found.offsets[joint] > limit):
            sides += 1
        elif joint != probe.joint and bool(found.offsets[probe.joint] <= limit):
            sides += 1
            unmoved.append(plan.dataset.path(index))
        elif bool(found.offsets[joint] > limit):
            wrong.append(plan.dataset.path(index))
    tell_moved(inspection, compared, wrong, "joint")
    if sides >= FEW and len(unmoved) > WRONG * sides:
        reason = f"images are mirrored, and in {len(unmoved)} of {sides} of them left joints are not called right ones"
        inspection.add("ZA002", reason, unmoved)


def _twins(plan: TrainingPlan) -> tuple[int, ...]:
    """Which joint each one becomes in a mirrored image."""
    assert plan.info.skeleton is not None
    names, pairs = plan.info.skeleton.names, plan.info.skeleton.flip_pairs
    typed = plan.recipe.to_json().get("flip_pairs")
    return mirrored_order(len(names), parse_flip_pairs(typed, names) if typed is not None else pairs or ())


def _probe(sample: Sample[Keypoints], number: int, order: tuple[int, ...]) -> _Probe | None:
    """A joint of the first object that has one within the image, such that has a twin far off before others."""
    height, width = sample.image.shape[-2:]
    target = sample.target
    for row in range(len(target)):
        points = target.points[row]
        labeled = target.visibility[row] > 0
        if not bool(labeled.any()):
            continue
        extent = points[labeled].amax(0) - points[labeled].amin(0)
        radius = max(SMALLEST, RADIUS * float(extent.max()))
        edge = points.new_tensor([width, height]) - points
        inside = labeled & (points >= 2 * radius).all(1) & (edge >= 2 * radius).all(1)
        apart = (points - points[list(order)]).norm(dim=1) > 4 * radius + 2
        joints = (
            inside & apart & labeled[list(order)]
        ).nonzero().flatten().tolist() or inside.nonzero().flatten().tolist()
        if joints:
            joint = int(joints[number % len(joints)])
            white = _disc(points[joint], radius, (height, width))
            return _Probe(painted(sample, white, target[torch.tensor([row])]), joint, radius)
    return None


def _disc(center: Float[Tensor, " 2"], radius: float, size: tuple[int, int]) -> Tensor:
    rows, columns = torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5
    x, y = center.tolist()
    return (rows[:, None] - y) ** 2 + (columns[None] - x) ** 2 <= radius**2


@dataclass(frozen=True)
class _Found:
    """How far each joint of the target lies from the disc, inf where it is not labeled; in pixels of the image."""

    offsets: Float[Tensor, " P"]
    radius: float


def _offsets(plan: TrainingPlan, probe: _Probe, index: int, mirrors: bool) -> _Found | None:
    """After augmentation and preprocessing; None where the joint, or most of its disc, is gone."""
    augment = augmentation_of(plainly(plan, hflip=float(mirrors), vflip=0.0))
    varied = augment(probe.sample, generator=seeded(torch.Generator(), "check", plan.recipe.seed, index))
    if len(varied.target) == 0:
        return None
    seen = _first_object(plan, varied, index)
    if seen is None:
        return None
    image, corner, scale, target = seen
    rows, columns = (image.float().mean(0) >= PAINTED).nonzero(as_tuple=True)
    if len(rows) == 0:
        return None
    lowest, highest = torch.stack([columns, rows]).amin(1), torch.stack([columns, rows]).amax(1) + 1
    size = torch.tensor([image.shape[2], image.shape[1]])
    if bool((lowest == 0).any() | (highest == size).any()):  # cut off: its center is elsewhere
        return None
    center = corner + scale * torch.stack([columns + 0.5, rows + 0.5], 1).mean(0)
    radius = float((len(rows) * scale.prod() / torch.pi).sqrt())
    away = (target.points[0] - center).norm(dim=1)
    return _Found(torch.where(target.visibility[0] > 0, away, torch.inf), radius)


def _first_object(
    plan: TrainingPlan, varied: Sample[Keypoints], index: int
) -> tuple[Tensor, Float[Tensor, " 2"], Float[Tensor, " 2"], Keypoints] | None:
    """The pixels that the network is given of the first object, and the target.

    And where the corner of these pixels lies among the target's, and how many of those a pixel is, along x and y. None
    where the inputs are no images.
    """
    preprocess = preprocess_of(plan)
    chance = [seeded(torch.Generator(), "preprocess", index)]
    if isinstance(preprocess, LooksAtRegions):
        inputs, placements = preprocess.in_regions([varied.image], [varied.target.regions()], chance)
    else:
        inputs, placements = preprocess([varied.image], chance)
    images, target = pixels_of(inputs), varied.target.place(placements[0])
    if images is None or images.ndim != 4:
        return None
    if not isinstance(inputs, Crops):
        return images[0], torch.zeros(2), torch.ones(2), target
    corner, opposite = inputs.xyxy[0, :2], inputs.xyxy[0, 2:]
    return images[0], corner, (opposite - corner) / torch.tensor([images.shape[3], images.shape[2]]), target
