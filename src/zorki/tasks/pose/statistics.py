"""What the joints of a dataset are like: how many are labeled and hidden, how large their objects are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from zorki.contracts import Dataset
from zorki.contracts.statistics import DatasetStatistics, StatisticsTable
from zorki.tasks.detection.statistics import Numbers, box_areas, marked, object_statistics, quantile_table, quantiles
from zorki.types import Keypoints


def keypoint_statistics(dataset: Dataset[Keypoints]) -> DatasetStatistics:
    """Objects a class, and tables of images, sizes and joints, with the flip pairs and sigmas of each joint."""
    skeleton = dataset.class_info().skeleton
    names = () if skeleton is None else skeleton.names
    twins: dict[int, str] = {}
    for left, right in (skeleton.flip_pairs or ()) if skeleton is not None else ():
        twins |= {left: names[right], right: names[left]}
    titles = {
        f"joint_{place + 1}": name + (f" (mirrored: {twins[place]})" if place in twins else "")
        for place, name in enumerate(names)
    }
    pairs = (
        "no flip pairs known" if skeleton is None or skeleton.flip_pairs is None else f"{len(twins) // 2} flip pairs"
    )
    sigmas = "" if skeleton is None else f", OKS sigmas: {skeleton.sigmas_reason}"
    counts = {
        "images": "images",
        "images_without_objects": "without objects",
        "objects": "objects",
        "crowd": "of them crowds",
        "without_joints": "without a labeled joint",
        "labeled": "labeled joints",
        "hidden": "of them hidden",
    }
    tables = [
        StatisticsTable(
            "objects", f"Images and objects of {len(names)} joints ({pairs}{sigmas})", counts, {}, brief=True
        ),
        quantile_table("objects_per_image", "Objects per image"),
        quantile_table("object_side", "Side of objects (root of the box's area, pixels)"),
        StatisticsTable("labeled_joints", "Objects in which a joint is labeled", titles, {}),
    ]
    target: Callable[[int], Any] = dataset.target_arrays
    return object_statistics(dataset, target, partial(_numbers, len(names)), tables, "objects")


def _numbers(joints: int, targets: Sequence[Any]) -> list[Numbers]:
    """The numbers of one split, table by table; a split without images has them, too."""
    lengths = np.array([len(target) for target in targets], np.float32)
    boxes = [target.xyxy for target in targets if target.xyxy is not None]
    flags = np.concatenate([np.zeros((0, joints), int), *(target.visibility for target in targets)])
    labeled = (flags > 0).sum(0).tolist()
    return [
        {
            "images": len(targets),
            "images_without_objects": int((lengths == 0).sum()),
            "objects": int(lengths.sum()),
            "crowd": marked(targets, "crowd"),
            "without_joints": int((flags == 0).all(1).sum()),
            "labeled": int((flags > 0).sum()),
            "hidden": int((flags == 1).sum()),
        },
        quantiles(lengths),
        quantiles(np.sqrt(box_areas(np.concatenate([np.zeros((0, 4), np.float32), *boxes])))),
        {f"joint_{place + 1}": count for place, count in enumerate(labeled)},
    ]
