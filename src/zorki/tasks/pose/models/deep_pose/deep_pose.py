"""DeepPose: joints as numbers, by a cascade of regressors (Toshev and Szegedy, 2014)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Num, UInt8
from torch import Tensor, nn

from zorki.contracts import Model, Preprocess, TrainingDefaults
from zorki.contracts.capabilities import Decoding, ExportGraph, Focus, PixelStatistics
from zorki.data.preprocess.region_crops import RegionCrops
from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.nn.backbones.named import backbone_published, backbone_statistics
from zorki.nn.layers.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize
from zorki.nn.view import view_of
from zorki.registry import Variant, model
from zorki.tasks.pose.models.deep_pose.cascade import PatchBackbone, PatchStage, patches_at, pose_size
from zorki.tasks.pose.models.deep_pose.regression_head import regression_head
from zorki.tasks.pose.models.deep_pose.residual_log_likelihood import ResidualLogLikelihood
from zorki.tasks.pose.task import Pose
from zorki.types import Boxes, Crops, Keypoints, Placement
from zorki.weights.weight_map import WeightMap

LossName = Literal["rle", "l2", "smooth_l1"]
LOSSES: tuple[LossName, ...] = ("rle", "l2", "smooth_l1")
MIN_DEVIATION = 1e-3  # shares of what a stage looks at
SMOOTH = 0.02  # shares, below which smooth L1 is a square


@dataclass
class StageOutput:
    """Where one stage sees the joints, in shares of the width and height of the crop.

    `origin` is where the stage looked, `center - origin` in units of `scale` is what its network said; `deviation` is
    in these units, too: of the crop for the first stage, of a patch for the others. None: it is not learned.
    """

    center: Float[Tensor, "R P 2"]
    origin: Float[Tensor, "R P 2"]
    scale: Float[Tensor, "R 1 2"]
    deviation: Float[Tensor, "R P 2"] | None

    def first(self, count: int) -> StageOutput:
        """Of the first crops alone."""
        deviation = None if self.deviation is None else self.deviation[:count]
        return StageOutput(self.center[:count], self.origin[:count], self.scale[:count], deviation)


@dataclass
class StageOutputs:
    """Those of the stages, the normalized pixels that they looked at, and the regions they are about."""

    stages: list[StageOutput]
    pixels: Float[Tensor, "R 3 H W"]
    xyxy: Float[Tensor, "R 4"]
    regions: list[Boxes]


class DeepPose(Model[StageOutputs, Keypoints, Keypoints]):
    """Joints regressed from the crop of an object, and again from a patch around each joint.

    Coordinates are normalized by the crop (equation 1). Stages are trained one after the other, by `begin_stage`: a
    later one learns on patches around the true places, displaced as the stages before err (section 3.2), and those are
    left as they are. It looks at `preprocess.detail` times the pixels that the first stage sees. Joints that are not
    labeled, and crowds, teach nothing.

    Args:
        backbone: makes features of the crop.
        joints: P.
        preprocess: crops regions.
        patch_backbones: one for each later stage, which makes features of a patch; none is the plain regressor.
        loss: "rle" (residual log-likelihood; the network gives each joint's deviation too, from which its score
            follows), "l2" (the paper) or "smooth_l1".
        first_share: of the epochs that the first of several stages is trained.
        patch: side of the patch around a joint, in pose sizes: see `pose_size`; the paper's sigma.
        patch_size: side of the patch in the network, in pixels.
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
        patch_backbones: Sequence[Backbone] = (),
        loss: LossName = "rle",
        first_share: float = 0.5,
        patch: float = 0.3,
        patch_size: int = 32,
        hidden: int = 512,
        dropout: float = 0.0,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        weight_map: WeightMap = WeightMap(),
    ) -> None:
        super().__init__()
        self.num_classes = joints
        self.preprocess: Preprocess = preprocess
        self.input_size = preprocess.size, preprocess.width
        self.patch, self.patch_size, self.loss_name, self.first_share = patch, patch_size, loss, first_share
        self.weight_map = weight_map
        self.normalize = Normalize(3, mean, std)
        self.backbone = backbone
        self.values = 4 if loss == "rle" else 2
        self.head = regression_head(backbone, self.input_size, hidden, dropout)
        self.output = nn.Linear(hidden, joints * self.values)
        nn.init.normal_(self.output.weight, std=0.01)  # at first every joint is in the middle
        nn.init.zeros_(self.output.bias)
        self.refine = nn.ModuleList(PatchStage(one, joints, self.values, patch_size) for one in patch_backbones)
        stages = 1 + len(patch_backbones)
        self.max_stages = stages
        criteria = [ResidualLogLikelihood() for _ in range(stages)] if loss == "rle" else []
        self.likelihoods = nn.ModuleList(criteria)

    def forward(self, inputs: Crops) -> StageOutputs:
        """The joints of every region by every trained stage; in training by those before the one that learns.

        Of which the outputs say where it looks; the first stage learns from its own.
        """
        stage, pixels = self.trained_stages(), self.normalize(inputs.images)
        with torch.set_grad_enabled(torch.is_grad_enabled() and stage == 1):
            stages = self.regress(pixels, max(1, stage - 1) if self.training else stage)
        return StageOutputs(stages, pixels, inputs.xyxy, inputs.regions)

    def trace(self, images: Num[Tensor, "R 3 H W"]) -> Tensor:
        """The first stage, of crops, and the later ones on a patch for every joint; see `Traces`."""
        pixels = self.normalize(images)
        for stage in self.refine:
            stage(pixels.new_empty((len(pixels), self.num_classes, 3, self.patch_size, self.patch_size)))
        return self.output(self.head(self.backbone(pixels)[-1]))  # type: ignore[no-any-return]

    def train(self, mode: bool = True) -> DeepPose:
        """Stages that no longer learn stay in evaluation mode: statistics of batch norm do not drift."""
        super().train(mode)
        if (stage := self.trained_stages()) > 1:
            for part in (self.backbone, self.head, *list(self.refine)[: stage - 2]):
                part.eval()
        return self

    def regress(self, pixels: Float[Tensor, "R 3 H W"], count: int) -> list[StageOutput]:
        """What each of the first `count` stages says of normalized crops."""
        found = [self._first(pixels)]
        for stage in range(2, count + 1):
            found.append(self._look(stage, pixels, found[-1].center.detach(), found[-1].center.detach()))
        return found

    def _first(self, pixels: Tensor) -> StageOutput:
        if len(pixels) == 0 or (self.training and len(pixels) == 1):
            return self._first_of_few(pixels)
        x = self._reduced(pixels)
        hidden = self.head(self.backbone(x)[-1])
        with torch.autocast(pixels.device.type, enabled=False):  # 8 bits are too few for a coordinate
            numbers = self.output(hidden.float()).reshape(len(pixels), self.num_classes, self.values)
        middle = numbers.new_full((1, 1, 2), 0.5).expand(len(pixels), self.num_classes, 2)
        return self._output(numbers, middle, numbers.new_ones((len(pixels), 1, 2)))

    def _reduced(self, pixels: Tensor) -> Tensor:
        """Crops of the first stage's size: means of squares of pixels."""
        factor = max(1, pixels.shape[2] // self.input_size[0])
        return pixels if factor == 1 else nn.functional.avg_pool2d(pixels, factor)

    def _patch_stage(self, stage: int) -> PatchStage:
        found = self.refine[stage - 2]
        assert isinstance(found, PatchStage)
        return found

    def _look(self, stage: int, pixels: Tensor, before: Tensor, origin: Tensor) -> StageOutput:
        """What a later stage says of patches around `origin`, as large as the joints of the stage before are apart."""
        scale = self.patch * pose_size(before, pixels.shape[2], pixels.shape[3])
        numbers = self._patch_stage(stage)(patches_at(pixels, origin, scale, self.patch_size))
        return self._output(numbers, origin, scale)

    def _output(self, numbers: Tensor, origin: Tensor, scale: Tensor) -> StageOutput:
        numbers = numbers.float()
        deviation = numbers[..., 2:].sigmoid().clamp_min(MIN_DEVIATION) if self.values == 4 else None
        return StageOutput(origin + scale * numbers[..., :2], origin, scale, deviation)

    def _first_of_few(self, pixels: Tensor) -> StageOutput:
        """Of no crop, or in training of one: batch norms have no statistics of these."""
        twice = pixels.new_zeros((2, *pixels.shape[1:])) if len(pixels) == 0 else pixels.repeat(2, 1, 1, 1)
        was = self.backbone.training
        self.backbone.train(was and len(pixels) > 0)
        found = self._first(twice)
        self.backbone.train(was)
        return found.first(len(pixels))

    def stage_shares(self) -> tuple[float, ...]:
        """`first_share` for the first of several stages, and the rest in equal parts."""
        later = self.max_stages - 1
        return (1.0,) if not later else (self.first_share, *((1 - self.first_share) / later,) * later)

    def trained_stages(self) -> int:
        return min(1 + sum(bool(one.begun) for one in self.refine), self.max_stages)

    def with_stages(self, count: int) -> DeepPose:
        view = view_of(self)
        view.max_stages = count
        return view

    @torch.no_grad()
    def begin_stage(self, stage: int, batches: Iterable[tuple[Crops, Sequence[Keypoints]]]) -> None:
        """Measures how far the stages before are off, see `PatchStage.begin`, and lets this one learn."""
        if stage <= self.trained_stages():
            return
        was = self.training
        self.eval()
        displaced, labeled = [], []
        for inputs, targets in batches:
            outputs = self(inputs)
            found, (goal, is_labeled) = outputs.stages[-1].center.float(), self._targets(outputs, targets)
            displaced.append((found - goal) / pose_size(found, *outputs.pixels.shape[2:]))
            labeled.append(is_labeled)
        self._patch_stage(stage).begin(torch.cat(displaced), torch.cat(labeled))
        self.train(was)

    def loss(self, outputs: StageOutputs, targets: Sequence[Keypoints]) -> dict[str, Tensor]:
        """The loss of the last trained stage, a mean over labeled joints: "stage1", or "stage2", ...

        Raises:
            ValueError: the targets have other objects than there are regions.
        """
        target, labeled = self._targets(outputs, targets)
        stage, output = self.trained_stages(), outputs.stages[-1]
        if self.training and stage > 1:
            size = pose_size(output.center, *outputs.pixels.shape[2:])
            moved = target + size * self._patch_stage(stage).sample_displacements(len(target))
            output = self._look(stage, outputs.pixels, output.center, moved)
        return {f"stage{stage}": self._stage_loss(stage - 1, output, target, labeled)}

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
            is_labeled = target.labeled if target.crowd is None else target.labeled & ~target.crowd[:, None]
            empty = len(target) < count
            points.append(target.points.new_zeros((count, self.num_classes, 2)) if empty else target.points)
            labeled.append(target.labeled.new_zeros((count, self.num_classes)) if empty else is_labeled)
        xyxy = outputs.xyxy
        corner, side = xyxy[:, None, :2], (xyxy[:, 2:] - xyxy[:, :2])[:, None]
        return (torch.cat(points).to(xyxy.device) - corner) / side, torch.cat(labeled).float().to(xyxy.device)

    @torch.no_grad()
    def decode(self, outputs: StageOutputs, placements: Sequence[Placement]) -> list[Keypoints]:
        """The joints of the last stage in pixels of the original images, an object for each region."""
        last = outputs.stages[-1]
        xyxy = outputs.xyxy.float()
        points = (xyxy[:, None, :2] + last.center.float() * (xyxy[:, 2:] - xyxy[:, :2])[:, None]).cpu()
        sure = None if last.deviation is None else joint_scores(last).float().cpu()
        found, first = [], 0
        for region in outputs.regions:
            rows = slice(first, first + len(region))
            found.append(_prediction(points[rows], None if sure is None else sure[rows], region.to("cpu")))
            first = rows.stop
        return found

    focus_unit = "score of the joints"

    def complete_focus(self, outputs: StageOutputs, focus: Focus, placement: Placement) -> Focus:
        """As it is: a joint, or all of them. Raises RecipeError where joints have no scores."""
        if outputs.stages[-1].deviation is None:
            raise RecipeError(
                f"this network was trained with the loss {self.loss_name!r}, and its joints have no scores to explain; "
                "those trained with 'rle' have"
            )
        return focus

    def focus_scores(self, outputs: StageOutputs, focus: Focus) -> Float[Tensor, " B"]:
        """The score of the joint, or the mean of all."""
        scores = joint_scores(outputs.stages[-1])
        return scores.mean(1) if focus.label is None else scores[:, focus.label]

    def backbone_stages(self) -> list[nn.Module]:
        return self.backbone.stages()

    def measure_pixels(self, images: Tensor, kind: PixelStatistics) -> None:
        self.normalize.measure(images, kind)

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """From the pixels of crops to "joints" (B, P, 2), x and y in their pixels, and "scores" (B, P) by RLE."""
        images = torch.zeros((2, 3, height, width), dtype=torch.uint8)
        outputs = ("joints", "scores") if self.loss_name == "rle" else ("joints",)
        return ExportGraph(ExportedDeepPose(self), {"images": images}, outputs, Decoding("joints"))


class ExportedDeepPose(nn.Module):
    """A network from the uint8 pixels of crops to joints in their pixels; what only training needs is no part."""

    def __init__(self, model: DeepPose) -> None:
        super().__init__()
        self.model = model
        self.stages = model.trained_stages()

    def forward(self, images: UInt8[Tensor, "B 3 H W"]) -> Tensor | tuple[Tensor, Tensor]:
        """Joints, and scores where the network gives deviations."""
        last = self.model.regress(self.model.normalize(images), self.stages)[-1]
        joints = last.center * last.center.new_tensor([images.shape[3], images.shape[2]])
        return joints if last.deviation is None else (joints, joint_scores(last))


def joint_scores(output: StageOutput) -> Float[Tensor, "R P"]:
    """1 less the mean deviation of x and y, as Li et al. have it, in shares of the crop."""
    assert output.deviation is not None
    return 1 - (output.scale * output.deviation).mean(2)


def _prediction(points: Tensor, sure: Tensor | None, region: Boxes) -> Keypoints:
    # How sure a detector is of the box, times how sure the network is of the joints.
    boxed = torch.ones(len(points)) if region.scores is None else region.scores
    scores = boxed if sure is None else boxed * (sure.mean(1) if sure.numel() else sure.new_zeros(len(points)))
    flags = torch.full(points.shape[:2], 2, dtype=torch.int64)
    return Keypoints(points, flags, xyxy=region.xyxy, labels=region.labels, scores=scores, joint_scores=sure)


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
    stage_backbone: str = "patch",
    first_share: float = 0.5,
    loss: LossName = "rle",
    patch: float = 0.3,
    patch_size: int = 32,
    detail: int = 2,
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
        image_size: height of a crop in the first stage, in pixels.
        aspect: a crop's width over its height: 0.75 is usual for people standing.
        stages: of the cascade.
        stage_backbone: that of each later stage, by its name (the paper: the first stage's); patch: three convolutions.
        first_share: of the epochs that the first of several stages is trained; the others share the rest. 0: it keeps
            the weights that training begins with.
        loss: rle, l2 or smooth_l1; see `DeepPose`.
        patch: side of a later stage's patch, in diagonals of the box around the joints.
        patch_size: its side in the network, in pixels.
        detail: of several stages, times as many pixels along a side as the first sees are kept of a crop for the later.
        hidden: width of the hidden layer.
        dropout: probability.
        padding: by which boxes are enlarged; see `RegionCrops`.
        scale_jitter: share by which regions are scaled in training.
        shift_jitter: share by which they are moved in training.

    Raises:
        RecipeError: a value is out of its range.
    """
    if loss not in LOSSES or not 1 <= stages <= 5 or patch_size < 8 or not 0 < patch <= 2 or not 0 <= first_share < 1:
        raise RecipeError(
            f"DeepPose: expected a loss of {', '.join(LOSSES)}, 1 to 5 stages, a patch in 0..2, a patch_size of at "
            f"least 8 and a first_share in 0..1; got {loss!r}, {stages}, {patch}, {patch_size} and {first_share}"
        )
    mean, std = backbone_statistics(backbone)
    later = [PatchBackbone() if stage_backbone == "patch" else backbone_named(stage_backbone) for _ in range(1, stages)]
    return DeepPose(
        backbone_named(backbone),
        num_classes,
        preprocess=RegionCrops(
            image_size, aspect, padding, scale_jitter, shift_jitter, detail=detail if stages > 1 else 1
        ),
        patch_backbones=later,
        loss=loss,
        first_share=first_share,
        patch=patch,
        patch_size=patch_size,
        hidden=hidden,
        dropout=dropout,
        mean=mean,
        std=std,
        weight_map=WeightMap(backbone_published(backbone)),
    )
