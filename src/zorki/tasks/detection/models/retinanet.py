"""RetinaNet (Lin et al., 2017: Focal Loss for Dense Object Detection)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float, Num
from torch import Tensor
from torch.nn import functional

from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.shortest_edge import ShortestEdge
from zorki.losses.focal import focal_loss_of_labels
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import IMAGENET
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.nn.necks.fpn import FeaturePyramid
from zorki.nn.necks.one_map import drop_later_maps
from zorki.ops.anchors import anchor_shapes
from zorki.ops.box_coder import decode_offsets, encode_offsets
from zorki.ops.boxes import clip_boxes
from zorki.ops.matching import IGNORED
from zorki.registry import Variant, model
from zorki.tasks.detection.networks.coco_category_ids import accept_coco_slots
from zorki.tasks.detection.networks.dense_heads import (
    PRIOR,
    Shapes,
    Tower,
    best_classes,
    dense_published,
    level_anchors,
    prior_logit,
    quiet_convolution,
    rows_of,
    strongest_rows,
    take_rows,
)
from zorki.tasks.detection.networks.detector import Detector, NmsCandidates, NormsWithoutEpsilon, settings_on
from zorki.tasks.detection.networks.target_assignment import match_anchors, stack_ground_truths
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes

STRIDES = (8, 16, 32, 64, 128)  # P3 to P7
ASPECTS = (0.5, 1.0, 2.0)


@dataclass
class RetinaNetOutputs:
    """The outputs of every anchor, level by level, finest first."""

    logits: list[Tensor]  # each (B, N, K)
    offsets: list[Tensor]  # each (B, N, 4)
    anchors: list[Tensor]  # each (N, 4), xyxy in network pixels
    size: tuple[int, int]  # of the input


torch.export.register_dataclass(RetinaNetOutputs)


class RetinaNet(Detector[RetinaNetOutputs]):
    """Two convolution towers, shared by all levels of a feature pyramid, classify and move nine anchors a cell.

    Boxes are learned by L1 of their offsets, as in torchvision, where the paper has smooth L1; both losses are
    averaged over an image's positive anchors, and then over images.

    Args:
        backbone: makes features.
        anchors: sizes in pixels, of every level of `STRIDES`; each comes in the aspects 1:2, 1:1 and 2:1.
        channels: of the pyramid and the towers.
        depth: convolutions in a tower.
        norm: GroupNorm in the towers; the paper has none.
        twin: cells and anchors lie in whole pixels from the corner, as torchvision's do.
        low, high: overlaps below which an anchor is background, and from which on it learns a box (section 4).
        max_per_level: candidates.
        settings: of the `Detector`.
    """

    prior = PRIOR

    def __init__(
        self,
        backbone: Backbone,
        *,
        num_classes: int,
        anchors: Sequence[Sequence[float]],
        channels: int = 256,
        depth: int = 4,
        norm: bool = False,
        twin: bool = False,
        low: float = 0.4,
        high: float = 0.5,
        max_per_level: int = 1000,
        settings: dict[str, Any],
    ) -> None:
        super().__init__(backbone, num_classes=num_classes, max_iou=0.5, max_boxes=300, **settings)
        self.neck = FeaturePyramid(backbone, STRIDES, channels)
        drop_later_maps(backbone, self.neck.taps[-1])
        sizes = {stride: some for stride, some in zip(STRIDES, anchors, strict=True)}
        self.shapes = [_shapes(sizes[stride], twin) for stride in self.neck.strides]
        places = len(self.shapes[0])
        self.class_tower = Tower(channels, depth, norm=norm)
        self.class_output = quiet_convolution(channels, places * num_classes, prior=PRIOR)
        accept_coco_slots(self.class_output, num_classes)
        self.box_tower = Tower(channels, depth, norm=norm)
        self.box_output = quiet_convolution(channels, places * 4)
        self.grid: Literal["centered", "corner"] = "corner" if twin else "centered"
        self.low, self.high, self.max_per_level = low, high, max_per_level

    def forward(self, inputs: Num[Tensor, "B C H W"]) -> RetinaNetOutputs:
        """Raw outputs for uint8 images."""
        maps = self.neck(self.backbone(self.normalize(inputs)))
        size = (inputs.shape[2], inputs.shape[3])
        return RetinaNetOutputs(
            [rows_of(self.class_output(self.class_tower(m)), self.num_classes) for m in maps],
            [rows_of(self.box_output(self.box_tower(m)), 4) for m in maps],
            level_anchors(maps, self.neck.strides, size, self.grid, self.shapes),
            size,
        )

    def loss(self, outputs: RetinaNetOutputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """The focal loss of the classes (section 3) and the L1 loss of the offsets of positive anchors."""
        logits, offsets = torch.cat(outputs.logits, 1).float(), torch.cat(outputs.offsets, 1).float()
        anchors = torch.cat(outputs.anchors)
        ground_truths = stack_ground_truths(targets, logits.device)
        owner = match_anchors(anchors, ground_truths, self.low, self.high)
        positive = owner >= 0
        share = 1 / (positive.sum(1, keepdim=True).clamp_min(1) * len(targets))
        weights = torch.where(owner == IGNORED, 0, share)
        labels = ground_truths.of(owner)
        image, row = positive.nonzero(as_tuple=True)
        target_offsets = encode_offsets(anchors[row], ground_truths.xyxy[image, owner[image, row]])
        away = functional.l1_loss(offsets[image, row], target_offsets, reduction="none").sum(1)
        return {
            "classes": focal_loss_of_labels(logits.flatten(0, 1), labels.flatten(), weights.flatten()),
            "boxes": (away * weights[image, row]).sum(),
        }

    @torch.no_grad()
    def expected_losses(self, outputs: RetinaNetOutputs, targets: Sequence[Boxes]) -> dict[str, float]:
        """The focal loss where every class of every anchor scores `PRIOR` (section 3.3)."""
        alike = replace(outputs, logits=[torch.full_like(one, prior_logit(PRIOR)) for one in outputs.logits])
        return {"classes": float(self.loss(alike, targets)["classes"])}

    def place_scores(self, outputs: RetinaNetOutputs) -> Float[Tensor, " N"]:
        """Of each class at each anchor."""
        return torch.cat([one.flatten() for one in outputs.logits]).float().sigmoid()

    def candidates(self, outputs: RetinaNetOutputs) -> NmsCandidates:
        """The best boxes of each level, cut off at the edges of the input."""
        levels = []
        for logits, offsets, anchors in zip(outputs.logits, outputs.offsets, outputs.anchors, strict=True):
            # Whatever is among the best pairs of anchor and class belongs to one of as many best anchors.
            rows = strongest_rows(logits.amax(2), self.max_per_level)
            best, place, labels = best_classes(take_rows(logits, rows), self.max_per_level)
            rows = rows.gather(1, place)
            xyxy = decode_offsets(anchors[rows], take_rows(offsets, rows).float())
            levels.append((clip_boxes(xyxy, *outputs.size), best.float().sigmoid(), labels))
        xyxy, scores, labels = (torch.cat(parts, 1) for parts in zip(*levels, strict=True))
        return NmsCandidates(xyxy, scores, labels)


def _shapes(sizes: Sequence[float], twin: bool) -> Shapes:
    with torch.device("cpu"):  # a network can be built without memory; numbers cannot be read back from there
        shapes = anchor_shapes(sizes, ASPECTS)
    if twin:
        shapes = (shapes / 2).round() * 2  # torchvision's corners are whole pixels
    return tuple((width, height) for width, height in shapes.tolist())


def _three_sizes(first: float, whole: bool = False) -> list[float]:
    """Three sizes an octave (section 4)."""
    sizes = [first * 2 ** (step / 3) for step in range(3)]
    return [float(int(size)) for size in sizes] if whole else sizes


@model(
    Detection,
    variants=[
        Variant(
            "retinanet_squeezenet",
            "RetinaNet (Lin et al., 2017) on SqueezeNet 1.0, for small images.",
            {"backbone": "squeezenet"},
        ),
        Variant(
            "retinanet_mobilenet_v3_large",
            "RetinaNet (Lin et al., 2017) on MobileNetV3 large, for small images.",
            {"backbone": "mobilenet_v3_large"},
        ),
    ],
    any_backbone="retinanet_{backbone}",
)
def retinanet(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 320,
    channels: int = 128,
    depth: int = 4,
    anchor_scale: float = 2.0,
    min_score: float = 0.05,
    frozen_norms: bool = True,
) -> RetinaNet:
    """RetinaNet (Lin et al., 2017) for small images and small batches, with group norm in its towers.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels.
        channels: of the pyramid and the towers: a multiple of 4, from 128 on of 32.
        depth: convolutions in a tower.
        anchor_scale: the smallest anchor of a level in strides; the paper's 4 suits images of 800 pixels.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.
    """
    return RetinaNet(
        backbone_named(backbone),
        num_classes=num_classes,
        anchors=[_three_sizes(anchor_scale * stride) for stride in STRIDES],
        channels=channels,
        depth=depth,
        norm=True,
        settings=settings_on(
            backbone, Letterbox(image_size, stride=32), min_score=min_score, frozen_norms=frozen_norms
        ),
    )


@model(
    Detection,
    weights={"coco": "torchvision:RetinaNet_ResNet50_FPN_Weights.COCO_V1", "imagenet": IMAGENET["resnet50"]},
)
def retinanet_resnet50_fpn(
    num_classes: int, *, shorter: int = 800, longest: int = 1333, min_score: float = 0.05, frozen_norms: bool = True
) -> RetinaNet:
    """RetinaNet (Lin et al., 2017) on ResNet-50, the twin of torchvision's.

    Args:
        shorter: the shorter side of the images, in pixels.
        longest: what the longer side must not exceed.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.
    """
    return RetinaNet(
        backbone_named("resnet50"),
        num_classes=num_classes,
        anchors=[_three_sizes(4 * stride, whole=True) for stride in STRIDES],
        twin=True,
        settings={
            "preprocess": ShortestEdge(shorter, longest),
            "min_score": min_score,
            "frozen_norms": frozen_norms,
            "weight_map": NormsWithoutEpsilon(dense_published(), "retinanet_resnet50_fpn_coco-eeacb38b"),
        },
    )
