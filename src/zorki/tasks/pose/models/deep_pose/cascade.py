"""The later stages of DeepPose: a look at a patch around each joint, which says how far off the joint is."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zorki.nn.backbones.backbone import Backbone
from zorki.nn.layers.initialize import initialize_he
from zorki.tasks.pose.models.deep_pose.regression_head import regression_head

FEATURES = 128
MIN_POSE_SIZE = 0.1  # of the crop's diagonal: joints that fell onto one point still have surroundings
DEVIATION = 0.02  # pose sizes; of displacements where no joint is labeled by which they could be measured


class PatchBackbone(Backbone):
    """Three convolutions of stride 2: patches are of a few pixels, and there are as many as joints."""

    channels = (24, 48, 96)
    strides = (2, 4, 8)
    min_size = 8

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *self.channels[:-1])
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2), nn.ReLU(True))
            for before, after, kernel in zip(inputs, self.channels, (5, 3, 3), strict=True)
        )
        initialize_he(self)

    def forward(self, x: Float[Tensor, "B C H W"]) -> list[Tensor]:
        """The maps after each convolution."""
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps

    def stages(self) -> list[nn.Module]:
        return list(self.blocks)


class PatchStage(nn.Module):
    """One network for the patches of all joints, and of each joint its own last layer (section 3.2).

    It also keeps how far the stages before were off, joint by joint, as mean and deviation of a normal distribution
    whose unit is the size of the pose: training samples displacements from it (equation 9).

    Args:
        backbone: makes features of a patch.
        joints: P.
        values: numbers for each joint: its displacement, and its deviations where they are learned.
        side: of a patch, in pixels of the network.
    """

    begun: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, backbone: Backbone, joints: int, values: int, side: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = regression_head(backbone, (side, side), FEATURES)
        self.weight = nn.Parameter(torch.empty(joints, FEATURES, values))
        self.bias = nn.Parameter(torch.zeros(joints, values))
        nn.init.normal_(self.weight, std=0.01)  # at first every joint stays where it is
        # Floats, since averages of weights average buffers, too; equal ones stay as they are.
        self.register_buffer("begun", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(joints, 2))
        self.register_buffer("deviation", torch.full((joints, 2), DEVIATION))

    def forward(self, patches: Float[Tensor, "R P 3 side side"]) -> Float[Tensor, "R P values"]:
        """What each joint's layer says of its own patch."""
        crops, joints = patches.shape[:2]
        features = self.head(self.backbone(patches.flatten(0, 1))[-1]).reshape(crops, joints, FEATURES)
        with torch.autocast(patches.device.type, enabled=False):  # 8 bits are too few for a coordinate
            return torch.einsum("rpf,pfv->rpv", features.float(), self.weight) + self.bias

    @torch.no_grad()
    def begin(self, displacements: Float[Tensor, "N P 2"], labeled: Float[Tensor, "N P"]) -> None:
        """Learns how far the stages before are off.

        Args:
            displacements: predicted place less true place of each joint, in pose sizes.
            labeled: 1 where the true place is known, else 0.
        """
        count = labeled.sum(0)[:, None]
        of_labeled = torch.where(labeled[..., None] > 0, displacements, 0.0)
        mean = of_labeled.sum(0) / count.clamp_min(1)
        square = ((of_labeled - mean) * labeled[..., None]).square().sum(0) / count.clamp_min(1)
        few = count < 2  # such a joint gets the displacements of the others
        others = square[~few[:, 0]].mean().sqrt() if bool((~few).any()) else square.new_tensor(DEVIATION)
        self.mean.copy_(torch.where(few, 0.0, mean))
        self.deviation.copy_(torch.where(few, others, square.sqrt()))
        self.begun.fill_(1.0)

    def sample_displacements(self, count: int) -> Float[Tensor, "count P 2"]:
        """Such as the stages before make, in pose sizes."""
        return self.mean + self.deviation * torch.randn((count, *self.mean.shape), device=self.mean.device)


def pose_size(joints: Float[Tensor, "R P 2"], height: int, width: int) -> Float[Tensor, "R 1 2"]:
    """The diagonal of the upright box around all joints, in shares of the width and of the height of the crop.

    The paper's diameter is the distance of a shoulder and the opposite hip, which other skeletons lack. Of one joint it
    is the crop's diagonal.

    Args:
        joints: in shares of the crop's width and height.
        height, width: of the crop, in pixels.
    """
    crop = joints.new_tensor([width, height])
    whole = crop.square().sum().sqrt()
    if joints.shape[1] == 1:
        return (whole / crop).expand(len(joints), 1, 2)
    sides = (joints.amax(1, keepdim=True) - joints.amin(1, keepdim=True)) * crop
    diagonal = sides.square().sum(2, keepdim=True).sqrt()
    return torch.maximum(diagonal, MIN_POSE_SIZE * whole) / crop


def patches_at(
    images: Float[Tensor, "R 3 H W"], center: Float[Tensor, "R P 2"], size: Float[Tensor, "R 1 2"], side: int
) -> Float[Tensor, "R P 3 side side"]:
    """A patch around each point, bilinear; what lies beyond the image is 0, the mean color.

    Args:
        center: in shares of the image's width and height.
        size: width and height of the patches, in shares of the image's.
        side: pixels of the patch as it comes out.
    """
    crops, joints = center.shape[:2]
    steps = (torch.arange(side, device=images.device) + 0.5) / side - 0.5
    places = 2 * center - 1
    x = places[..., :1, None] + (2 * size[..., :1] * steps)[..., None, :]
    y = places[..., 1:, None] + (2 * size[..., 1:] * steps)[..., None]
    grid = torch.stack(torch.broadcast_tensors(x, y), -1).reshape(crops, joints * side, side, 2).to(images.dtype)
    found = nn.functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return found.reshape(crops, 3, joints, side, side).transpose(1, 2)
