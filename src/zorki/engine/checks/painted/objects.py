"""One object of a sample is painted white, all else black; boxes and masks are looked for where it is afterwards."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zorki.contracts.capabilities import LooksAtRegions
from zorki.data.loading.pipeline import seeded
from zorki.engine.checks.painted.draws import PAINTED, draws, painted, pixels_of, plainly, preprocess_of, tell_moved
from zorki.engine.checks.report import Inspection
from zorki.engine.training.loaders import augmentation_of
from zorki.engine.training.plan import TrainingPlan
from zorki.errors import DataError
from zorki.types import Boxes, Instances, Mask, Sample

SAME = 0.6  # IoU of what was painted and what the target says
SIDE = 8.0  # network pixels, below which an object's outline is mostly rounding


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
    return _Probe(painted(sample, white, target[torch.tensor([row])]))


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
    return _Probe(painted(sample, target.classes == label, target), label)


def check_painted_objects(inspection: Inspection, plan: TrainingPlan) -> None:
    """Whether boxes, masks and maps go where their objects go: through augmentation and preprocessing."""
    preprocess = preprocess_of(plan)
    if "ZA004" not in inspection.chosen or isinstance(preprocess, LooksAtRegions):
        return
    augment = augmentation_of(plainly(plan))
    compared, wrong = 0, []
    for index in draws(plan):
        try:
            probe = _probe(plan.dataset[index])
        except DataError:
            continue
        if probe is None:
            continue
        varied = augment(probe.sample, generator=seeded(torch.Generator(), "check", plan.recipe.seed, index))
        inputs, placements = preprocess([varied.image], [seeded(torch.Generator(), "preprocess", index)])
        images = pixels_of(inputs)
        if images is None or images.ndim != 4:
            return
        overlap = _overlap(images[0].float().mean(0) >= PAINTED, varied.target.place(placements[0]), probe)
        if overlap is None:
            continue
        compared += 1
        if overlap < SAME:
            wrong.append(plan.dataset.path(index))
    tell_moved(inspection, compared, wrong, "object")


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
