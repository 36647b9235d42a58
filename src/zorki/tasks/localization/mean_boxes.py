"""The mean box of each class: the best guess without looking, and where a network starts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from zorki.types import Boxes


def mean_boxes(
    targets: Sequence[Boxes], sizes: Sequence[tuple[int, int]], num_classes: int
) -> tuple[Float[Tensor, "K 4"], Int[Tensor, " K"]]:
    """The mean box of each class, xyxy in shares of the image, and how many there are.

    Classes without a box have the mean of all boxes; all of the image where there is none at all.

    Args:
        targets: in pixels.
        sizes: (height, width) of each image, in pixels.
    """
    sums, counts = torch.zeros(num_classes, 4), torch.zeros(num_classes, dtype=torch.int64)
    for target, (height, width) in zip(targets, sizes, strict=True):
        shares = target.xyxy / torch.tensor([width, height, width, height], dtype=torch.float32)
        sums.index_add_(0, target.labels, shares)
        counts += torch.bincount(target.labels, minlength=num_classes)
    total = int(counts.sum())
    whole = sums.sum(0) / total if total else torch.tensor([0.0, 0.0, 1.0, 1.0])
    means = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp_min(1), whole)
    return means, counts
