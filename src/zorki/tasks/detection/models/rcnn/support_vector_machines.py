"""Support vector machines of R-CNN: one a class, on features that stay as they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from zorki.ops.boxes import pairwise_iou
from zorki.ops.roi import join_regions
from zorki.tasks.detection.networks.detector import learnable
from zorki.tasks.detection.networks.regions import SampledRegions, decode_regions
from zorki.types import Boxes

# Features are scaled to this length on average, as the authors' code does, so that one strength suits all networks.
_LENGTH = 20.0

# Hard negatives a class in a batch for each positive, and at least.
_NEGATIVES, _FEWEST_NEGATIVES = 3, 16


class SupportVectorMachines(nn.Module):
    """K linear machines side by side: margins are positive for objects of the class.

    The hinge loss is summed over positives and over the hardest negatives, the paper's "hard negative mining", as each
    batch shows them. With weight decay for the margin's width this approximates what the paper's solver finds, which
    has all features at hand: here the negatives are the hardest of a batch, and not of all images; the loss is a mean
    and not the sum that C weighs; and AdamW's decay, apart from the gradient, is not the penalty of the objective.
    Features are divided by their mean length so far, a buffer.

    Args:
        features: numbers a region.
        num_classes: K.
    """

    length: Tensor

    def __init__(self, features: int, num_classes: int) -> None:
        super().__init__()
        self.planes = nn.Linear(features, num_classes)
        nn.init.zeros_(self.planes.weight)
        nn.init.constant_(self.planes.bias, -1.0)  # most regions are no object of a class
        self.register_buffer("length", torch.zeros(()))

    def forward(self, features: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """The margin of each region for each class."""
        features = features.float()
        if self.training:
            with torch.no_grad():
                mean = features.norm(dim=1).mean()
                self.length.copy_(torch.where(self.length == 0, mean, self.length.lerp(mean, 0.05)))
        with torch.autocast(features.device.type, enabled=False):  # margins of 1 in numbers of 8 bits are too coarse
            return self.planes(features * (_LENGTH / self.length.clamp_min(1e-6)))

    def loss(self, features: Float[Tensor, "N D"], signs: Int[Tensor, "N K"]) -> Float[Tensor, ""]:
        """The hinge loss of positives and hardest negatives, averaged over classes and the regions of both kinds.

        Args:
            features: of regions.
            signs: 1 for objects of the class, -1 for others, 0 for regions that do not count.
        """
        margins = self(features)
        hinge = (1 - signs * margins).clamp_min(0) * (signs != 0)
        positives = (signs > 0).sum(0)
        most = torch.clamp(_NEGATIVES * positives, min=_FEWEST_NEGATIVES)
        hardest = torch.where(signs < 0, hinge, 0).sort(0, descending=True).values
        rank = torch.arange(len(hinge), device=hinge.device)[:, None]
        total = torch.where(signs > 0, hinge, 0).sum() + torch.where(rank < most, hardest, 0).sum()
        return total / (positives + most).sum()


def svm_regions(
    sampled: SampledRegions, targets: Sequence[Boxes], num_classes: int
) -> tuple[Float[Tensor, "N 4"], Int[Tensor, " N"], Int[Tensor, "N K"]]:
    """The sampled regions and behind them the ground truth boxes, their images, and what the machines want of them.

    1 for the ground truth boxes of a class, -1 for regions of IoU below 0.3 with all of them, 0 between (section 2.3).
    """
    ground_truths = [learnable(target, sampled.regions.device) for target in targets]
    boxes, owners = join_regions([ground_truth.xyxy.to(sampled.regions.dtype) for ground_truth in ground_truths])
    labels = torch.cat([ground_truth.labels for ground_truth in ground_truths]).long()
    regions, images = torch.cat([sampled.regions, boxes]), torch.cat([sampled.images, owners])
    iou = pairwise_iou(regions, boxes) * (images[:, None] == owners)
    best = iou.new_zeros((len(regions), num_classes))
    best.scatter_reduce_(1, labels.expand(len(regions), -1), iou, "amax")
    signs = torch.where(best < 0.3, -1, 0)
    signs[len(sampled) + torch.arange(len(boxes), device=signs.device), labels] = 1
    return regions, images, signs


def decode_svm_regions(
    margins: Float[Tensor, "N K"], offsets: Float[Tensor, "N _"], regions: Float[Tensor, "N 4"]
) -> tuple[Float[Tensor, "N K 4"], Float[Tensor, "N K"]]:
    """A box and a score for every region and class: the margin's logistic function, which is no probability."""
    background = margins.new_zeros((len(margins), 1))
    xyxy, _ = decode_regions(torch.cat([background, margins], 1), offsets, regions)
    return xyxy, margins.sigmoid()
