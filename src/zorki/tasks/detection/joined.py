"""The boxes of a batch that a network learns from, in one tensor, so that work on them is done once a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from zorki.tasks.detection.detector import learnable
from zorki.types import Boxes


@dataclass
class Joined:
    """The boxes of all pictures of a batch, picture by picture; `counts` tells how many each has."""

    xyxy: Float[Tensor, "M 4"]
    labels: Int[Tensor, " M"]
    pictures: Int[Tensor, " M"]
    counts: list[int]

    def padded(self) -> Float[Tensor, "B N 4"]:
        """As many rows for each picture, N the largest count; boxes of no area, at the origin, fill up."""
        most = max(self.counts, default=0)
        rows = [torch.arange(count) for count in self.counts]
        padded = self.xyxy.new_zeros(len(self.counts), most, 4)
        if most:
            padded[self.pictures, torch.cat(rows).to(self.pictures.device)] = self.xyxy
        return padded


def join(targets: Sequence[Boxes], device: torch.device) -> Joined:
    """The learnable boxes of every picture, in float32 on `device`."""
    boxes = [learnable(target) for target in targets]
    counts = [len(each) for each in boxes]
    if not boxes:
        return Joined(
            torch.zeros(0, 4, device=device),
            torch.zeros(0, dtype=torch.int64, device=device),
            torch.zeros(0, dtype=torch.int64, device=device),
            counts,
        )
    return Joined(
        torch.cat([each.xyxy for each in boxes]).float().to(device),
        torch.cat([each.labels for each in boxes]).long().to(device),
        torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)).to(device),
        counts,
    )
