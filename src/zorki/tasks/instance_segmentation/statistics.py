"""What the objects of a dataset are like: how many, how large, how much of the image they cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from zorki.contracts import Dataset
from zorki.contracts.statistics import DatasetStatistics, StatisticsTable
from zorki.ops.mask_pixels import MaskPixels
from zorki.tasks.detection.statistics import (
    Numbers,
    marked,
    object_statistics,
    quantile_table,
    quantiles,
    size_table,
    sizes,
)
from zorki.types import Instances


@dataclass(frozen=True)
class Measured:
    """What is left of an image's objects when their masks are let go.

    Args:
        areas: pixels of each mask.
        covered: share of the image's pixels that are of an object.
        overlapping: share of those that are of two or more.
    """

    labels: ndarray
    areas: ndarray
    crowd: ndarray | None
    difficult: ndarray | None
    covered: float
    overlapping: float


def measured(target: Instances[ndarray]) -> Measured:
    """The objects of one image."""
    pixels = MaskPixels.of(target.masks)
    owners = np.bincount(pixels.place)
    taken = int((owners > 0).sum())
    return Measured(
        target.labels,
        pixels.areas(),
        target.crowd,
        target.difficult,
        taken / max(1, pixels.height * pixels.width),
        int((owners > 1).sum()) / max(1, taken),
    )


def instance_statistics(dataset: Dataset[Instances]) -> DatasetStatistics:
    """Objects a class, and tables of images, areas and counts.

    Sides are square roots of areas, in pixels of the original images. Crowds are counted and not measured; a number
    of nothing is None.
    """
    tables = [
        StatisticsTable(
            "objects",
            "Images and objects",
            {
                "images": "images",
                "images_without_objects": "without objects",
                "objects": "objects",
                "crowd": "of them crowds",
                "difficult": "of them difficult",
                "images_with_overlaps": "images in which objects overlap",
            },
            {},
            brief=True,
        ),
        quantile_table("objects_per_image", "Objects per image"),
        size_table("object_sizes", "Areas of objects (COCO's bounds)"),
        quantile_table("object_side", "Side of objects (root of the area, pixels)"),
        quantile_table("covered_share", "Share of an image with objects that they cover"),
    ]
    return object_statistics(dataset, lambda index: measured(dataset.target_arrays(index)), _numbers, tables, "objects")


def _numbers(targets: Sequence[Measured]) -> list[Numbers]:
    """The numbers of one split, table by table."""
    lengths = np.array([len(target.labels) for target in targets], np.float32)
    single = [target.areas if target.crowd is None else target.areas[~target.crowd] for target in targets]
    area = np.concatenate([np.zeros(0, np.float32), *single]).astype(np.float32)
    with_objects = [target for target in targets if len(target.labels)]
    return [
        {
            "images": len(targets),
            "images_without_objects": int((lengths == 0).sum()),
            "objects": int(lengths.sum()),
            "crowd": marked(targets, "crowd"),
            "difficult": marked(targets, "difficult"),
            "images_with_overlaps": sum(target.overlapping > 0 for target in targets),
        },
        quantiles(lengths),
        sizes(area),
        quantiles(np.sqrt(area)),
        quantiles(np.array([target.covered for target in with_objects], np.float32)),
    ]
