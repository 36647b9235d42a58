"""What the masks of a dataset are like: how many pixels of which class, in how many images."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from zorki.contracts import Dataset, Targets
from zorki.contracts.capabilities import CountsPixels
from zorki.contracts.statistics import DatasetStatistics, StatisticsTable
from zorki.errors import DataError
from zorki.types import Mask

THREADS = 4  # threads: decoding leaves Python's lock


def count_pixels(targets: Sequence[Any], num_classes: int) -> Int64[Tensor, "N columns"]:
    """Pixels of each class in each mask, (N, K + 1); in the last column the ignored ones.

    Masks are looked at one after another and not kept, unless the reader has counted them (`counts` and `sizes` of the
    dataset). One whose file is broken has a row of zeros.

    Args:
        targets: a sequence of `Mask`, of which reading one may raise DataError.
    """
    if isinstance(targets, Targets) and isinstance(targets.dataset, CountsPixels):
        rows = list(targets.indices)
        valid = torch.as_tensor(targets.dataset.counts[rows], dtype=torch.int64)
        area = torch.as_tensor(targets.dataset.sizes[rows], dtype=torch.int64).prod(1)
        return torch.cat([valid, (area - valid.sum(1))[:, None]], 1)

    def count(place: int) -> Tensor:
        try:
            mask: Mask = targets[place]
        except DataError:
            return torch.zeros(num_classes + 1, dtype=torch.int64)
        labels = mask.classes.to("cpu", torch.int64).where(mask.classes.cpu() != mask.ignore, num_classes)
        return torch.bincount(labels.flatten(), minlength=num_classes + 1)

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(count, range(len(targets))))
    return torch.stack(found) if found else torch.zeros((0, num_classes + 1), dtype=torch.int64)


def balance_weights(counts: Int64[Tensor, "N K"]) -> Float64[Tensor, " N"]:
    """How often to draw each image so that every class is drawn as often as any other.

    Each class that occurs has a weight of 1, which is shared among the images by how many of its pixels they show
    of their own: sum_k s_ik / sum_j s_jk with s_ik the share of class k in image i. Images without a valid pixel
    have a weight of 0.
    """
    shares = counts.double() / counts.sum(1, keepdim=True).clamp_min(1)
    return (shares / shares.sum(0).clamp_min(1e-12)).sum(1)


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
            "classes_per_image": round(float(shown.double().sum(1).mean()), 2) if len(indices) else None,
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
