"""What the objects of a data set are like: how many, how large, how much of the image they cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zorki.contracts import Dataset
from zorki.ops.mask_pixels import MaskPixels
from zorki.tasks.detection.statistics import marked, quantiles, sizes, tally
from zorki.types import Instances


@dataclass(frozen=True)
class Measured:
    """What is left of an image's objects when their masks are let go.

    Args:
        areas: pixels of each mask.
        covered: share of the image's pixels that are of an object.
        overlapping: share of those that are of two or more.
    """

    labels: Tensor
    areas: Tensor
    crowd: Tensor | None
    difficult: Tensor | None
    covered: float
    overlapping: float


def measured(target: Instances) -> Measured:
    """The objects of one image."""
    pixels = MaskPixels.of(target.masks)
    owners = np.bincount(pixels.place)
    taken = int((owners > 0).sum())
    return Measured(
        target.labels,
        torch.from_numpy(pixels.areas()),
        target.crowd,
        target.difficult,
        taken / max(1, pixels.height * pixels.width),
        int((owners > 1).sum()) / max(1, taken),
    )


def tally_instances(dataset: Dataset[Instances]) -> dict[str, Any]:
    """Objects a class, and tables of images, areas and counts, by split; see `Task.tally`.

    Sides are square roots of areas, in pixels of the original images. Crowds are counted and not measured; a figure
    of nothing is None.
    """
    return tally(dataset, lambda index: measured(dataset.target(index)), _columns, "objects")


def _columns(targets: Sequence[Measured]) -> dict[str, dict[str, Any]]:
    """The figures of one split, by table and row."""
    lengths = torch.tensor([float(len(target.labels)) for target in targets])
    single = [target.areas if target.crowd is None else target.areas[~target.crowd] for target in targets]
    area = torch.cat(single).float() if single else torch.zeros(0)
    with_objects = [target for target in targets if len(target.labels)]
    return {
        "Images and objects": {
            "images": len(targets),
            "without objects": int((lengths == 0).sum()),
            "objects": int(lengths.sum()),
            "of them crowds": marked(targets, "crowd"),
            "of them difficult": marked(targets, "difficult"),
            "images in which objects overlap": sum(target.overlapping > 0 for target in targets),
        },
        "Objects an image": quantiles(lengths),
        "Areas of objects (COCO's bounds)": sizes(area),
        "Side of objects (root of the area, pixels)": quantiles(area.sqrt()),
        "Share of an image with objects that they cover": quantiles(torch.tensor([t.covered for t in with_objects])),
    }
