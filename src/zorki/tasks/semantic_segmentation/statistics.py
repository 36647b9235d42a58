"""What the masks of a data set are like: how many pixels of which class, in how many images."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from zorki.contracts import Dataset, Targets
from zorki.contracts.capabilities import CountsPixels
from zorki.errors import DataError
from zorki.types import Mask

READERS = 4  # threads: decoding leaves Python's lock


def count_pixels(targets: Sequence[Any], num_classes: int) -> Int64[Tensor, "N columns"]:
    """Pixels of each class in each mask, (N, K + 1); in the last column the ignored ones.

    Masks are looked at one after another and not kept, unless the reader has counted them (`counts` and `sizes` of the
    data set). One whose file is broken has a row of zeros.

    Args:
        targets: a sequence of `Mask`, of which reading one may raise DataError.
    """
    if isinstance(targets, Targets) and isinstance(targets.dataset, CountsPixels):
        rows = list(targets.indices)
        judged = torch.as_tensor(targets.dataset.counts[rows], dtype=torch.int64)
        area = torch.as_tensor(targets.dataset.sizes[rows], dtype=torch.int64).prod(1)
        return torch.cat([judged, (area - judged.sum(1))[:, None]], 1)

    def count(place: int) -> Tensor:
        try:
            mask: Mask = targets[place]
        except DataError:
            return torch.zeros(num_classes + 1, dtype=torch.int64)
        labels = mask.classes.to("cpu", torch.int64).where(mask.classes.cpu() != mask.ignore, num_classes)
        return torch.bincount(labels.flatten(), minlength=num_classes + 1)

    with ThreadPoolExecutor(READERS) as pool:
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


def tally_masks(dataset: Dataset[Mask]) -> dict[str, Any]:
    """Pixels a class, and tables of images, shares and ignored pixels, by split; see `Task.tally`."""
    names = dataset.class_names
    classes: dict[str, dict[str, int]] = {}
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for split, indices in dataset.splits.items():
        counts = count_pixels(Targets(dataset, indices), len(names))
        judged, shown = counts[:, :-1], (counts[:, :-1] > 0)
        pixels, total = judged.sum(0), int(counts.sum())
        classes[split] = {name: int(pixels[k]) for k, name in enumerate(names)}
        facts = {
            "images": len(indices),
            "classes an image, mean": round(float(shown.double().sum(1).mean()), 2) if len(indices) else None,
            "pixels": total,
            "of them ignored": _share(int(counts[:, -1].sum()), total),
        }
        rows: dict[str, dict[str, Any]] = {
            "Images and pixels": facts,
            "Share of valid pixels": {name: _share(int(pixels[k]), int(pixels.sum())) for k, name in enumerate(names)},
            "Images that show a class": {name: int(shown[:, k].sum()) for k, name in enumerate(names)},
        }
        for title, values in rows.items():
            for name, value in values.items():
                tables.setdefault(title, {}).setdefault(name, {})[split] = value
    return {"counted": "pixels", "classes": classes, "tables": tables}


def _share(part: int, whole: int) -> str | None:
    return f"{part / whole:.2%}" if whole else None
