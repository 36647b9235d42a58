"""FCOS (Tian et al., 2019: Fully Convolutional One-Stage Object Detection): no anchors, points that lie in boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn import functional

from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.shortest_edge import ShortestEdge
from zorki.losses.focal import focal_loss_of_labels
from zorki.losses.giou import giou_loss
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import IMAGENET
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.nn.necks.fpn import FeaturePyramid
from zorki.nn.necks.one_map import drop_later_maps
from zorki.ops.box_coder import decode_sides, encode_sides
from zorki.ops.boxes import clip_boxes
from zorki.registry import Variant, model
from zorki.tasks.detection.networks.coco_category_ids import accept_coco_slots
from zorki.tasks.detection.networks.dense_heads import (
    PRIOR,
    SeparableTower,
    Tower,
    best_classes,
    dense_published,
    level_points,
    prior_logit,
    quiet_convolution,
    rows_of,
    strongest_rows,
    take_rows,
)
from zorki.tasks.detection.networks.detector import Detector, NmsCandidates, settings_on
from zorki.tasks.detection.networks.target_assignment import match_points, stack_ground_truths
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes
from zorki.weights.weight_map import WeightMap

STRIDES = (8, 16, 32, 64, 128)  # P3 to P7


@dataclass
class FcosOutputs:
    """The outputs of every point, level by level, finest first."""

    logits: list[Tensor]  # each (B, N, K)
    sides: list[Tensor]  # each (B, N, 4): left, top, right, bottom in strides, not negative
    centerness: list[Tensor]  # each (B, N, 1): logits
    points: list[Tensor]  # each (N, 2): x, y in network pixels
    size: tuple[int, int]  # of the input


torch.export.register_dataclass(FcosOutputs)


class Fcos(Detector[FcosOutputs]):
    """Every point of a feature pyramid tells a class, the distances to the four sides, and how central it is.

    As in the second version (Tian et al., 2020) and in torchvision: centerness beside the distances, points near the
    center of a box alone learn it, distances in strides behind a ReLU, GIoU loss, a score that is the root of class
    times centerness.

    Args:
        backbone: makes features.
        channels: of the pyramid and the towers: a multiple of 4, from 128 on of 32.
        depth: convolutions in a tower.
        radius: in strides; how near to the center of a box a point must lie to learn it.
        reach: in strides; a level learns the boxes whose furthest side is between `reach` and twice as far away
            (section 3.2 has 64 to 128 pixels for stride 16); the first level learns all smaller ones, and the last
            all larger ones.
        twin: cells lie from the corner on, as torchvision's do.
        separable: the 3x3 convolutions of pyramid and towers are depthwise-separable; the outputs are 1x1.
        max_per_level: candidates.
        settings: of the `Detector`.
    """

    prior = PRIOR

    def __init__(
        self,
        backbone: Backbone,
        *,
        num_classes: int,
        channels: int = 256,
        depth: int = 4,
        radius: float = 1.5,
        reach: float = 4.0,
        twin: bool = False,
        separable: bool = False,
        max_per_level: int = 1000,
        settings: dict[str, Any],
    ) -> None:
        super().__init__(backbone, num_classes=num_classes, max_iou=0.6, max_boxes=100, **settings)
        self.neck = FeaturePyramid(backbone, STRIDES, channels, separable=separable)
        drop_later_maps(backbone, self.neck.taps[-1])
        kernel = 1 if separable else 3
        self.class_tower = self._tower(channels, depth, separable)
        self.class_output = quiet_convolution(channels, num_classes, prior=PRIOR, kernel=kernel)
        accept_coco_slots(self.class_output, num_classes)
        self.box_tower = self._tower(channels, depth, separable)
        self.box_output = quiet_convolution(channels, 4, kernel=kernel)
        # Boxes start half as large as the level's largest: a ReLU around 0 would predict, and learn, half of nothing.
        nn.init.constant_(self.box_output.bias, reach / 2)  # type: ignore[arg-type]
        self.centerness_output = quiet_convolution(channels, 1, kernel=kernel)
        self.grid: Literal["centered", "corner"] = "corner" if twin else "centered"
        self.radius, self.reach, self.max_per_level = radius, reach, max_per_level

    def forward(self, inputs: Num[Tensor, "B C H W"]) -> FcosOutputs:
        """Raw outputs for uint8 images."""
        maps = self.neck(self.backbone(self.normalize(inputs)))
        size = (inputs.shape[2], inputs.shape[3])
        classes, boxes = self.class_tower.levels(maps), self.box_tower.levels(maps)
        return FcosOutputs(
            [rows_of(self.class_output(m), self.num_classes) for m in classes],
            [rows_of(functional.relu(self.box_output(m)), 4) for m in boxes],
            [rows_of(self.centerness_output(m), 1) for m in boxes],
            level_points(maps, self.neck.strides, size, self.grid),
            size,
        )

    def loss(self, outputs: FcosOutputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Focal loss of the classes, GIoU loss of the boxes, cross-entropy of the centerness (sections 3.1 and 3.3).

        Each is summed over the batch and divided by the number of points that learn a box, as in the paper; the
        last two are sums over those points.
        """
        logits, sides = torch.cat(outputs.logits, 1).float(), torch.cat(outputs.sides, 1).float()
        centerness = torch.cat(outputs.centerness, 1).float()[..., 0]
        points, strides = torch.cat(outputs.points), self._strides(outputs.points)
        ground_truths = stack_ground_truths(targets, logits.device)
        least, most = self._reaches(strides)
        owner = match_points(points, least, most, self.radius * strides, ground_truths)
        image, row = (owner >= 0).nonzero(as_tuple=True)
        count = max(1, len(row))
        target_boxes = ground_truths.xyxy[image, owner[image, row]]
        predicted_boxes = decode_sides(points[row], sides[image, row] * strides[row, None])
        central = centerness_of(encode_sides(points[row], target_boxes))
        entropy = functional.binary_cross_entropy_with_logits(centerness[image, row], central, reduction="sum")
        labels = ground_truths.of(owner).flatten()
        weights = torch.full_like(labels, 1 / count, dtype=torch.float32)
        return {
            "classes": focal_loss_of_labels(logits.flatten(0, 1), labels, weights),
            "boxes": giou_loss(predicted_boxes, target_boxes).sum() / count,
            "centerness": entropy / count,
        }

    @torch.no_grad()
    def expected_losses(self, outputs: FcosOutputs, targets: Sequence[Boxes]) -> dict[str, float]:
        """The focal loss where every class of every point scores `PRIOR`, as RetinaNet's."""
        alike = replace(outputs, logits=[torch.full_like(one, prior_logit(PRIOR)) for one in outputs.logits])
        return {"classes": float(self.loss(alike, targets)["classes"])}

    def place_scores(self, outputs: FcosOutputs) -> Float[Tensor, " N"]:
        """Of each class at each point."""
        return torch.cat([one.flatten() for one in outputs.logits]).float().sigmoid()

    def candidates(self, outputs: FcosOutputs) -> NmsCandidates:
        """The best boxes of each level, cut off at the edges of the input."""
        levels = []
        parts = zip(outputs.logits, outputs.sides, outputs.centerness, outputs.points, self.neck.strides, strict=True)
        for logits, sides, centerness, points, stride in parts:
            central = centerness.float().sigmoid()
            # Whatever is among the best pairs of point and class belongs to one of as many best points.
            rows = strongest_rows(logits.amax(2).float().sigmoid() * central[..., 0], self.max_per_level)
            scores = (take_rows(logits, rows).float().sigmoid() * take_rows(central, rows)).sqrt()
            best, place, labels = best_classes(scores, self.max_per_level)
            rows = rows.gather(1, place)
            xyxy = decode_sides(points[rows], take_rows(sides, rows).float() * stride)
            levels.append((clip_boxes(xyxy, *outputs.size), best, labels))
        xyxy, scores, labels = (torch.cat(part, 1) for part in zip(*levels, strict=True))
        return NmsCandidates(xyxy, scores, labels)

    def _tower(self, channels: int, depth: int, separable: bool) -> Tower | SeparableTower:
        levels = len(self.neck.strides)
        return SeparableTower(channels, depth, levels) if separable else Tower(channels, depth, norm=True)

    def _strides(self, points: Sequence[Tensor]) -> Float[Tensor, " N"]:
        return torch.cat(
            [torch.full_like(p[:, 0], stride) for p, stride in zip(points, self.neck.strides, strict=True)]
        )

    def _reaches(self, strides: Float[Tensor, " N"]) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
        first, last = self.neck.strides[0], self.neck.strides[-1]
        least = torch.where(strides == first, 0, self.reach * strides)
        return least, torch.where(strides == last, torch.inf, 2 * self.reach * strides)


def centerness_of(sides: Float[Tensor, "N 4"]) -> Float[Tensor, " N"]:
    """How central a point is, from its distances to the sides (eq. 3): 1 in the middle, 0 on a side."""
    low, high = sides[:, :2], sides[:, 2:]
    return (torch.minimum(low, high) / torch.maximum(low, high)).prod(1).sqrt()


@model(
    Detection,
    variants=[
        Variant(
            "fcos_squeezenet",
            "FCOS (Tian et al., 2019) on SqueezeNet 1.0, for small images.",
            {"backbone": "squeezenet"},
        ),
        Variant(
            "fcos_mobilenet_v3_large",
            "FCOS (Tian et al., 2019) on MobileNetV3 large, for small images.",
            {"backbone": "mobilenet_v3_large"},
        ),
        Variant(
            "fcos_mobilenet_v3_small",
            "FCOS (Tian et al., 2019) on MobileNetV3 small, with separable convolutions, for small images.",
            {"backbone": "mobilenet_v3_small"},
            {"channels": 96, "separable": True, "frozen_norms": False},
            former={"channels": 128, "separable": False, "frozen_norms": True},
        ),
    ],
    any_backbone="fcos_{backbone}",
)
def fcos(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 320,
    channels: int = 128,
    depth: int = 4,
    reach: float = 4.0,
    min_score: float = 0.05,
    frozen_norms: bool = True,
    separable: bool = False,
) -> Fcos:
    """FCOS (Tian et al., 2019) for small images and small batches.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels.
        channels: of the pyramid and the towers: a multiple of 4, from 128 on of 32.
        depth: convolutions in a tower.
        reach: in strides, where the boxes of a level begin; see `Fcos`.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.
        separable: pyramid and towers are of depthwise-separable convolutions with batch norms.
    """
    return Fcos(
        backbone_named(backbone),
        num_classes=num_classes,
        channels=channels,
        depth=depth,
        reach=reach,
        separable=separable,
        settings=settings_on(
            backbone, Letterbox(image_size, stride=32), min_score=min_score, frozen_norms=frozen_norms
        ),
    )


@model(Detection, weights={"coco": "torchvision:FCOS_ResNet50_FPN_Weights.COCO_V1", "imagenet": IMAGENET["resnet50"]})
def fcos_resnet50_fpn(
    num_classes: int, *, shorter: int = 800, longest: int = 1333, min_score: float = 0.2, frozen_norms: bool = True
) -> Fcos:
    """FCOS (Tian et al., 2019) on ResNet-50, the twin of torchvision's.

    Args:
        shorter: the shorter side of the images, in pixels.
        longest: what the longer side must not exceed.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.
    """
    return Fcos(
        backbone_named("resnet50"),
        num_classes=num_classes,
        twin=True,
        settings={
            "preprocess": ShortestEdge(shorter, longest),
            "min_score": min_score,
            "frozen_norms": frozen_norms,
            "weight_map": WeightMap({**dense_published(), "head.regression_head.bbox_ctrness.": "centerness_output."}),
        },
    )
