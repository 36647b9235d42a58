"""DeepPose: joints as numbers, by a cascade of regressors (Toshev and Szegedy, 2014)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from zorki.contracts import Model, Preprocess, TrainingDefaults
from zorki.contracts.capabilities import ExportGraph, PixelStatistics
from zorki.data.preprocess.region_crops import RegionCrops
from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.nn.backbones.named import backbone_published, backbone_statistics
from zorki.nn.layers.initialize import initialize_he
from zorki.nn.layers.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize
from zorki.registry import Variant, model
from zorki.tasks.pose.models.deep_pose.cascade import PatchStage, patches_at
from zorki.tasks.pose.models.deep_pose.residual_log_likelihood import ResidualLogLikelihood
from zorki.tasks.pose.task import Pose
from zorki.types import Boxes, Crops, Keypoints, Placement
from zorki.weights.weight_map import WeightMap

LossName = Literal["rle", "l2", "smooth_l1"]
LOSSES: tuple[LossName, ...] = ("rle", "l2", "smooth_l1")
MIN_DEVIATION = 1e-3  # shares of what a stage looks at
DISPLACEMENT = 0.1  # of a patch: by how much a later stage's is moved in training, in the mean
SMOOTH = 0.02  # shares, below which smooth L1 is a square


@dataclass
class StageOutput:
    """Where one stage sees the joints, in shares of the width and height of the crop.

    `origin` is where the stage looked, `center - origin` in units of `scale` is what its network said; `deviation` is
    in these units, too: of the crop for the first stage, of a patch for the others. None: it is not learned.
    """

    center: Float[Tensor, "R P 2"]
    origin: Float[Tensor, "R P 2"]
    scale: Float[Tensor, " 2"]
    deviation: Float[Tensor, "R P 2"] | None


@dataclass
class StageOutputs:
    """Those of all stages, and the regions they are about."""

    stages: list[StageOutput]
    xyxy: Float[Tensor, "R 4"]
    regions: list[Boxes]


class DeepPose(Model[StageOutputs, Keypoints, Keypoints]):
    """Joints regressed from the crop of an object, and again from a patch around each joint.

    Coordinates are normalized by the crop (equation 1). Training learns all stages at once: a later one looks where the
    one before has pointed, moved by chance as far as that one errs (section 3.2), and no gradient flows back through
    the place. Joints that are not labeled, and crowds, teach nothing.

    Args:
        backbone: makes features of the crop.
        joints: P.
        preprocess: crops regions.
        stages: of the cascade; 1 is the plain regressor.
        loss: "rle" (residual log-likelihood; the network gives each joint's deviation too, from which its score
            follows), "l2" (the paper) or "smooth_l1".
        patch: side of the patch around a joint, as share of the crop's width.
        patch_size: side of the patch in the network, in pixels; a multiple of 8.
        hidden: width of the hidden layer of the first stage.
        dropout: probability, before the last layer of the first stage.
        mean, std: of the pixels, in units of 0..1.
        weight_map: from published weights to ours.
    """

    defaults = TrainingDefaults(
        optimizer="adamw", lr=1e-3, finetune_lr=5e-4, weight_decay=1e-4, clip_grad=5.0, random_crop=1.0
    )

    def __init__(
        self,
        backbone: Backbone,
        joints: int,
        *,
        preprocess: RegionCrops,
        stages: int = 1,
        loss: LossName = "rle",
        patch: float = 0.2,
        patch_size: int = 24,
        hidden: int = 512,
        dropout: float = 0.0,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        weight_map: WeightMap = WeightMap(),
    ) -> None:
        super().__init__()
        if loss not in LOSSES or not 1 <= stages <= 5 or patch_size < 8 or patch_size % 8 or not 0 < patch <= 1:
            raise RecipeError(
                f"DeepPose: expected a loss of {', '.join(LOSSES)}, 1 to 5 stages, a patch in 0..1 and a patch_size "
                f"that is a multiple of 8; got {loss!r}, {stages}, {patch} and {patch_size}"
            )
        self.num_classes = joints
        self.preprocess: Preprocess = preprocess
        self.patch, self.patch_size, self.loss_name = patch, patch_size, loss
        self.weight_map = weight_map
        self.normalize = Normalize(3, mean, std)
        self.backbone = backbone
        self.values = 4 if loss == "rle" else 2
        self.head = _head(backbone, (preprocess.size, preprocess.width), hidden, dropout)
        self.output = nn.Linear(hidden, joints * self.values)
        nn.init.normal_(self.output.weight, std=0.01)  # at first every joint is in the middle
        nn.init.zeros_(self.output.bias)
        self.refine = nn.ModuleList(PatchStage(joints, self.values, patch_size) for _ in range(stages - 1))
        criteria = [ResidualLogLikelihood() for _ in range(stages)] if loss == "rle" else []
        self.likelihoods = nn.ModuleList(criteria)

    def forward(self, inputs: Crops) -> StageOutputs:
        """The joints of every region, by every stage."""
        return StageOutputs(self.regress(inputs.images), inputs.xyxy, inputs.regions)

    def regress(self, images: UInt8[Tensor, "R 3 H W"]) -> list[StageOutput]:
        """What each stage says of crops."""
        if len(images) == 0 or (self.training and len(images) == 1):
            return self._regress_few(images)
        x = self.normalize(images)
        hidden = self.head(self.backbone(x)[-1])
        with torch.autocast(images.device.type, enabled=False):  # 8 bits are too few for a coordinate
            numbers = self.output(hidden.float()).reshape(len(images), self.num_classes, self.values)
        middle = numbers.new_full((1, 1, 2), 0.5).expand(len(images), self.num_classes, 2)
        found = [self._output(numbers, middle, numbers.new_ones(2))]
        scale = numbers.new_tensor([self.patch, self.patch * images.shape[3] / images.shape[2]])
        for stage in self.refine:
            origin = found[-1].center.detach()
            if self.training:  # what was learned by heart errs less than it will
                origin = origin + DISPLACEMENT * scale * torch.randn_like(origin)
            numbers = stage(patches_at(x, origin, self.patch, self.patch_size))
            found.append(self._output(numbers, origin, scale))
        return found

    def _output(self, numbers: Tensor, origin: Tensor, scale: Tensor) -> StageOutput:
        numbers = numbers.float()
        deviation = numbers[..., 2:].sigmoid().clamp_min(MIN_DEVIATION) if self.values == 4 else None
        return StageOutput(origin + scale * numbers[..., :2], origin, scale, deviation)

    def _regress_few(self, images: Tensor) -> list[StageOutput]:
        """Of no crop, or in training of one: batch norms have no statistics of these."""
        twice = images.new_zeros((2, *images.shape[1:])) if len(images) == 0 else images.repeat(2, 1, 1, 1)
        was = self.backbone.training
        self.backbone.train(was and len(images) > 0)
        found = self.regress(twice)
        self.backbone.train(was)
        return [
            dataclasses.replace(
                one,
                center=one.center[: len(images)],
                origin=one.origin[: len(images)],
                deviation=None if one.deviation is None else one.deviation[: len(images)],
            )
            for one in found
        ]

    def loss(self, outputs: StageOutputs, targets: Sequence[Keypoints]) -> dict[str, Tensor]:
        """The loss of each stage, a mean over labeled joints: "stage1", "stage2", ...

        Raises:
            ValueError: the targets have other objects than there are regions.
        """
        target, labeled = self._targets(outputs, targets)
        return {f"stage{n}": self._stage_loss(n - 1, one, target, labeled) for n, one in enumerate(outputs.stages, 1)}

    def _stage_loss(self, place: int, output: StageOutput, target: Tensor, labeled: Tensor) -> Tensor:
        center, goal = ((points - output.origin) / output.scale for points in (output.center, target))
        goal = torch.where(labeled[..., None] > 0, goal, center.detach())
        if output.deviation is not None:
            criterion: nn.Module = self.likelihoods[place]
            return criterion(center, output.deviation, goal, labeled)  # type: ignore[no-any-return]
        if self.loss_name == "l2":
            losses = (center - goal).square().sum(2)
        else:
            losses = nn.functional.smooth_l1_loss(center, goal, beta=SMOOTH, reduction="none").sum(2)
        return (losses * labeled).sum() / labeled.sum().clamp_min(1)

    def _targets(self, outputs: StageOutputs, targets: Sequence[Keypoints]) -> tuple[Tensor, Tensor]:
        """The joints in shares of the crops, and 1 for each that is labeled."""
        points, labeled = [], []
        for region, target in zip(outputs.regions, targets, strict=True):
            count = len(region)
            if len(target) not in (0, count):
                raise ValueError(f"{count} regions, and {len(target)} objects in the target: expected one for each")
            known = target.labeled if target.crowd is None else target.labeled & ~target.crowd[:, None]
            empty = len(target) < count
            points.append(target.points.new_zeros((count, self.num_classes, 2)) if empty else target.points)
            labeled.append(target.labeled.new_zeros((count, self.num_classes)) if empty else known)
        xyxy = outputs.xyxy
        corner, side = xyxy[:, None, :2], (xyxy[:, 2:] - xyxy[:, :2])[:, None]
        return (torch.cat(points).to(xyxy.device) - corner) / side, torch.cat(labeled).float().to(xyxy.device)

    @torch.no_grad()
    def decode(self, outputs: StageOutputs, placements: Sequence[Placement]) -> list[Keypoints]:
        """The joints of the last stage in pixels of the original images, an object for each region."""
        last = outputs.stages[-1]
        xyxy = outputs.xyxy.float()
        points = (xyxy[:, None, :2] + last.center.float() * (xyxy[:, 2:] - xyxy[:, :2])[:, None]).cpu()
        sure = None if last.deviation is None else joint_scores(last.deviation).float().cpu()
        found, first = [], 0
        for region in outputs.regions:
            rows = slice(first, first + len(region))
            found.append(_prediction(points[rows], None if sure is None else sure[rows], region.to("cpu")))
            first = rows.stop
        return found

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()

    def measure_pixels(self, images: Tensor, kind: PixelStatistics) -> None:
        self.normalize.measure(images, kind)

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """From the pixels of one crop to "joints" (1, P, 2), x and y in its pixels, and "scores" (1, P) by RLE."""
        images = torch.zeros((1, 3, height, width), dtype=torch.uint8)
        outputs = ("joints", "scores") if self.loss_name == "rle" else ("joints",)
        return ExportGraph(ExportedDeepPose(self), {"images": images}, outputs)


class ExportedDeepPose(nn.Module):
    """A network from the uint8 pixels of one crop to joints in its pixels; what only training needs is no part."""

    def __init__(self, model: DeepPose) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: UInt8[Tensor, "1 3 H W"]) -> Tensor | tuple[Tensor, Tensor]:
        """Joints, and scores where the network gives deviations."""
        last = self.model.regress(images)[-1]
        joints = last.center * last.center.new_tensor([images.shape[3], images.shape[2]])
        return joints if last.deviation is None else (joints, joint_scores(last.deviation))


def joint_scores(deviation: Float[Tensor, "R P 2"]) -> Float[Tensor, "R P"]:
    """1 less the mean deviation of x and y, as Li et al. have it."""
    return 1 - deviation.mean(2)


def _prediction(points: Tensor, sure: Tensor | None, region: Boxes) -> Keypoints:
    # How sure a detector is of the box, times how sure the network is of the joints.
    boxed = torch.ones(len(points)) if region.scores is None else region.scores
    scores = boxed if sure is None else boxed * (sure.mean(1) if sure.numel() else sure.new_zeros(len(points)))
    flags = torch.full(points.shape[:2], 2, dtype=torch.int64)
    return Keypoints(points, flags, xyxy=region.xyxy, labels=region.labels, scores=scores, joint_scores=sure)


def _head(backbone: Backbone, size: tuple[int, int], hidden: int, dropout: float) -> nn.Sequential:
    """Channels reduced, and every place of the map read by a hidden layer.

    Norms keep what the output layer reads near 1, whatever the backbone's features are: else one step of the optimizer
    would move joints by whole crops. A pool over places, as classifiers have it, would lose where things are.
    """
    was = backbone.training
    with torch.no_grad():
        height, width = backbone.eval()(torch.zeros(1, 3, *size))[-1].shape[2:]
    backbone.train(was)
    reduced = 64
    layers = [
        nn.Conv2d(backbone.channels[-1], reduced, 1), nn.ReLU(True), nn.Flatten(),
        nn.Linear(reduced * height * width, hidden), nn.LayerNorm(hidden), nn.ReLU(True), nn.Dropout(dropout),
    ]  # fmt: skip
    head = nn.Sequential(*layers)
    initialize_he(head)
    return head


@model(
    Pose,
    variants=[
        Variant(
            "deep_pose_squeezenet", "DeepPose (Toshev and Szegedy, 2014) on SqueezeNet 1.0.", {"backbone": "squeezenet"}
        ),
        Variant("deep_pose_resnet18", "DeepPose (Toshev and Szegedy, 2014) on ResNet-18.", {"backbone": "resnet18"}),
        Variant("deep_pose_resnet50", "DeepPose (Toshev and Szegedy, 2014) on ResNet-50.", {"backbone": "resnet50"}),
    ],
    any_backbone="deep_pose_{backbone}",
)
def deep_pose(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 128,
    aspect: float = 1.0,
    stages: int = 1,
    loss: LossName = "rle",
    patch: float = 0.2,
    patch_size: int = 24,
    hidden: int = 512,
    dropout: float = 0.0,
    padding: float = 1.25,
    scale_jitter: float = 0.2,
    shift_jitter: float = 0.05,
) -> DeepPose:
    """DeepPose (Toshev and Szegedy, 2014): joints regressed from the crop of an object, stage after stage.

    Args:
        num_classes: how many joints.
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: height of a crop in the network, in pixels.
        aspect: a crop's width over its height: 0.75 is usual for people standing.
        stages: of the cascade.
        loss: rle, l2 or smooth_l1; see `DeepPose`.
        patch: side of a later stage's patch, as share of the crop's width.
        patch_size: its side in the network, in pixels; a multiple of 8.
        hidden: width of the hidden layer.
        dropout: probability.
        padding: by which boxes are enlarged; see `RegionCrops`.
        scale_jitter: share by which regions are scaled in training.
        shift_jitter: share by which they are moved in training.
    """
    mean, std = backbone_statistics(backbone)
    return DeepPose(
        backbone_named(backbone),
        num_classes,
        preprocess=RegionCrops(image_size, aspect, padding, scale_jitter, shift_jitter),
        stages=stages,
        loss=loss,
        patch=patch,
        patch_size=patch_size,
        hidden=hidden,
        dropout=dropout,
        mean=mean,
        std=std,
        weight_map=WeightMap(backbone_published(backbone)),
    )
