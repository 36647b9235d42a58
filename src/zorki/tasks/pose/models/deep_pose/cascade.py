"""The later stages of DeepPose: a look at a patch around each joint, which says how far off the joint is."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zorki.nn.layers.initialize import initialize_he

WIDTHS = (16, 32, 64)
FEATURES = 128


class PatchStage(nn.Module):
    """One small network for the patches of all joints, and of each joint its own last layer (section 3.2).

    The paper repeats AlexNet for each stage, on crops of 220 pixels; patches are of a few pixels here, and the network
    is small.

    Args:
        joints: P.
        values: numbers for each joint: its displacement, and its deviations where they are learned.
        side: of a patch, in pixels of the network; a multiple of 8.
    """

    def __init__(self, joints: int, values: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in WIDTHS:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2)]
            channels = width
        self.features = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(channels * (side // 8) ** 2, FEATURES), nn.LayerNorm(FEATURES)
        )
        initialize_he(self.features)
        self.weight = nn.Parameter(torch.empty(joints, FEATURES, values))
        self.bias = nn.Parameter(torch.zeros(joints, values))
        nn.init.normal_(self.weight, std=0.01)  # at first every joint stays where it is

    def forward(self, patches: Float[Tensor, "R P 3 side side"]) -> Float[Tensor, "R P values"]:
        """What each joint's layer says of its own patch."""
        crops, joints = patches.shape[:2]
        features = torch.relu(self.features(patches.flatten(0, 1))).reshape(crops, joints, FEATURES)
        with torch.autocast(patches.device.type, enabled=False):  # 8 bits are too few for a coordinate
            return torch.einsum("rpf,pfv->rpv", features.float(), self.weight) + self.bias


def patches_at(
    images: Float[Tensor, "R 3 H W"], center: Float[Tensor, "R P 2"], share: float, side: int
) -> Float[Tensor, "R P 3 side side"]:
    """A square patch around each point, bilinear; what lies beyond the image is 0, the mean color.

    Args:
        center: in shares of the image's width and height.
        share: of the image's width that a patch is wide; it is as high in pixels.
        side: pixels of the patch as it comes out.
    """
    crops, joints = center.shape[:2]
    height, width = images.shape[2:]
    steps = ((torch.arange(side, device=images.device) + 0.5) / side - 0.5) * 2 * share
    x = (2 * center[..., 0] - 1)[..., None, None] + steps[None, None, None, :]
    y = (2 * center[..., 1] - 1)[..., None, None] + (steps * (width / height))[None, None, :, None]
    grid = torch.stack(torch.broadcast_tensors(x, y), -1).reshape(crops, joints * side, side, 2).to(images.dtype)
    found = nn.functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return found.reshape(crops, 3, joints, side, side).transpose(1, 2)
