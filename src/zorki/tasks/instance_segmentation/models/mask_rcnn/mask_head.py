"""Masks of regions: a head that draws one for each class, what it learns from, and how masks come into images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from zorki.ops.roi import pool_regions
from zorki.tasks.detection.networks.coco_category_ids import accept_coco_slots
from zorki.tasks.detection.networks.regions import SampledRegions
from zorki.types import Instances

_PADDING = 1  # cells of nothing around a mask before it is enlarged


class MaskHead(nn.Module):
    """A small fully convolutional network on the features of a region (He et al., 2017, section 3 and figure 4).

    Four 3x3 convolutions, a transposed one that doubles the sides, and a 1x1 convolution to a map for each class: the
    classes do not compete for pixels. There is none for the background; weights that have one leave it behind.

    The last layer starts near zero, so that every pixel starts at a half. torchvision starts it with a deviation of
    (2 / maps) ** 0.5, which is as small for COCO's classes, and throws pixels far off for a few.

    Args:
        inputs: channels of the features.
        num_classes: K.
        hidden: channels between the layers.
    """

    size = (14, 14)  # of the pooled features; maps have twice the sides

    def __init__(self, inputs: int, num_classes: int, *, hidden: int = 256) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels, hidden, 3, padding=1) for channels in (inputs, hidden, hidden, hidden)
        )
        self.upsample = nn.ConvTranspose2d(hidden, hidden, 2, stride=2)
        self.logits = nn.Conv2d(hidden, num_classes, 1)
        for layer in (*self.convolutions, self.upsample):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.logits.weight, std=1e-3)
        assert self.logits.bias is not None
        nn.init.zeros_(self.logits.bias)
        self.logits.register_load_state_dict_pre_hook(_leave_background)
        accept_coco_slots(self.logits, num_classes)

    def forward(self, pooled: Float[Tensor, "N C 14 14"]) -> Float[Tensor, "N K 28 28"]:
        """Logits of every class, each to itself."""
        x = pooled
        for convolution in self.convolutions:
            x = functional.relu(convolution(x))
        return self.logits(functional.relu(self.upsample(x)))


def _leave_background(layer: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Drops the first map of weights with one map more than the layer has: nobody's masks."""
    for name in ("weight", "bias"):
        given, own = state.get(prefix + name), getattr(layer, name)
        if given is not None and given.shape[1:] == own.shape[1:] and len(given) == len(own) + 1:
            state[prefix + name] = given[1:]


def mask_head_published() -> dict[str, str]:
    """Where torchvision's names stand in a model whose `mask_head` is a `MaskHead`, in files of all versions."""
    names = {
        "roi_heads.mask_predictor.conv5_mask.": "mask_head.upsample.",
        "roi_heads.mask_predictor.mask_fcn_logits.": "mask_head.logits.",
    }
    for layer in range(4):
        for theirs in (f"mask_fcn{layer + 1}", f"{layer}.0"):
            names[f"roi_heads.mask_head.{theirs}."] = f"mask_head.convolutions.{layer}."
    return names


def region_mask_loss(
    logits: Float[Tensor, "P K m m"], positive: SampledRegions, targets: Sequence[Instances]
) -> Float[Tensor, ""]:
    """The mean binary cross-entropy of the true classes' maps over positive regions (He et al., 2017, section 3).

    Other classes' maps are not learned from. What a region should draw is the part of its object's mask that lies
    inside of it: RoIAlign reads it from the mask. Objects of which the network's pixels show none teach nothing, where
    torchvision teaches an empty mask. Zero, with a gradient of zero, where no region is left.

    Args:
        logits: of the positive regions.
        positive: those regions, in network pixels.
        targets: in network pixels; `owners` number their rows.
    """
    target_masks, shown = [], []
    for image, target in enumerate(targets):
        mine = positive.images == image
        owners = positive.owners[mine]
        masks = target.masks.to(logits.device)
        target_masks.append(masks_in_regions(masks, positive.regions[mine], owners, (logits.shape[2], logits.shape[3])))
        shown.append(masks.flatten(1).any(1)[owners])
    rows = torch.cat(shown).nonzero()[:, 0]
    if len(rows) == 0:
        return logits.float().sum() * 0
    found = logits.float()[rows, positive.labels[rows]]
    return functional.binary_cross_entropy_with_logits(found, torch.cat(target_masks)[rows])


def masks_in_regions(
    masks: Bool[Tensor, "N H W"], regions: Float[Tensor, "P 4"], owners: Int[Tensor, " P"], size: tuple[int, int]
) -> Float[Tensor, "P h w"]:
    """For each region what of its owner's mask lies inside, by RoIAlign with a point for each pixel; 0..1."""
    if len(regions) == 0:
        return regions.new_zeros((0, *size), dtype=torch.float32)
    # Only masks that a region owns become floats.
    used, rows = owners.unique(return_inverse=True)
    return pool_regions([masks[used][:, None].float()], [1], regions, rows, size, sampling_ratio=0)[:, 0]


def paste_masks(
    shares: Float[Tensor, "N m m"], xyxy: Float[Tensor, "N 4"], height: int, width: int, *, least: float = 0.5
) -> Bool[Tensor, "N height width"]:
    """Masks of boxes, enlarged to their boxes and put into the image: the pixels above `least`. On the CPU.

    By torchvision's rule: with a rim of nothing, a cell wide, around mask and box, corners rounded down to whole
    pixels, and the last pixel counted in. Bilinear.
    """
    count, side = shares.shape[:2]
    pasted = torch.zeros((count, height, width), dtype=torch.bool)
    padded = functional.pad(shares.float().cpu(), (_PADDING,) * 4)
    for mask, share, (x0, y0, x1, y1) in zip(pasted, padded, _rimmed(xyxy.cpu(), side).tolist(), strict=True):
        rows, columns = max(1, y1 - y0 + 1), max(1, x1 - x0 + 1)
        large = functional.interpolate(share[None, None], (rows, columns), mode="bilinear")[0, 0]
        top, left = max(y0, 0), max(x0, 0)
        inside = large[top - y0 : max(height - y0, 0), left - x0 : max(width - x0, 0)]
        mask[top : top + inside.shape[0], left : left + inside.shape[1]] = inside > least
    return pasted


def _rimmed(xyxy: Float[Tensor, "N 4"], side: int) -> Int[Tensor, "N 4"]:
    """Boxes with as much around them as the rim of their masks of `side` cells is wide."""
    half = (xyxy[:, 2:] - xyxy[:, :2]) * 0.5 * ((side + 2 * _PADDING) / side)
    center = (xyxy[:, 2:] + xyxy[:, :2]) * 0.5
    return torch.cat([center - half, center + half], 1).long()
