"""What the masks of a dataset are like: how many pixels of which class, in how many images."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.contracts import Dataset, Targets
from zorki.contracts.capabilities import CountsPixels
from zorki.contracts.statistics import DatasetStatistics, StatisticsTable
from zorki.errors import DataError
from zorki.types import Mask

if TYPE_CHECKING:
    from jaxtyping import Float64, Int64
    from numpy import ndarray

THREADS = 4  # threads: decoding leaves Python's lock


def count_pixels(targets: Sequence[Any], num_classes: int) -> Int64[ndarray, "N columns"]:
    """Pixels of each class in each mask, (N, K + 1); in the last column the ignored ones.

    Masks are looked at one after another and not kept, unless the reader has counted them (`counts` and `sizes` of the
    dataset). One whose file is broken has a row of zeros.

    Args:
        targets: a sequence of `Mask`, of which reading one may raise DataError.
    """
    if isinstance(targets, Targets) and isinstance(targets.dataset, CountsPixels):
        rows = list(targets.indices)
        valid = targets.dataset.counts[rows].astype(np.int64)
        area = targets.dataset.sizes[rows].astype(np.int64).prod(1)
        return np.concatenate([valid, (area - valid.sum(1))[:, None]], 1)

    def count(place: int) -> ndarray:
        try:
            mask: Mask[ndarray] = targets.arrays(place) if isinstance(targets, Targets) else targets[place].numpy()
        except DataError:
            return np.zeros(num_classes + 1, np.int64)
        labels = np.where(mask.classes != mask.ignore, mask.classes, num_classes)
        return np.bincount(labels.ravel(), minlength=num_classes + 1)

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(count, range(len(targets))))
    return np.stack(found) if found else np.zeros((0, num_classes + 1), np.int64)


def balance_weights(counts: Int64[ndarray, "N K"]) -> Float64[ndarray, " N"]:
    """How often to draw each image so that every class is drawn as often as any other.

    Each class that occurs has a weight of 1, which is shared among the images by how many of its pixels they show
    of their own: sum_k s_ik / sum_j s_jk with s_ik the share of class k in image i. Images without a valid pixel
    have a weight of 0.
    """
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return (shares / np.maximum(shares.sum(0), 1e-12)).sum(1)


def mask_statistics(dataset: Dataset[Mask]) -> DatasetStatistics:
    """Pixels a class, and a table of images and ignored pixels."""
    pixels: dict[str, list[int]] = {}
    images: dict[str, list[int]] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for split, indices in dataset.splits.items():
        counts = count_pixels(Targets(dataset, indices), len(dataset.class_names))
        shown, total = counts[:, :-1] > 0, int(counts.sum())
        pixels[split], images[split] = counts[:, :-1].sum(0).tolist(), shown.sum(0).tolist()
        numbers[split] = {
            "images": len(indices),
            "classes_per_image": round(float(shown.sum(1).mean()), 2) if len(indices) else None,
            "pixels": total,
            "ignored_share": round(int(counts[:, -1].sum()) / total, 6) if total else None,
        }
    columns = {
        "images": "images",
        "classes_per_image": "classes per image, mean",
        "pixels": "pixels",
        "ignored_share": "share of ignored pixels",
    }
    table = StatisticsTable("pixels", "Images and pixels", columns, numbers, brief=True)
    return DatasetStatistics(dataset.class_names, pixels, "pixels", images, [table])
