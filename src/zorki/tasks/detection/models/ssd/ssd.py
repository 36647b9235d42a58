"""SSD: boxes from several maps at once, each map for objects of its own size (Liu et al., 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn
from torch.nn import functional

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.resize import Resize
from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone, last_maps
from zorki.nn.backbones.named import backbone as named_backbone
from zorki.nn.layers.separable import separable_output
from zorki.nn.necks.one_map import drop_later_maps
from zorki.ops.box_coder import decode_offsets, encode_offsets
from zorki.ops.boxes import clip_boxes, generalized_iou
from zorki.ops.matching import BACKGROUND, match_by_cost
from zorki.registry import Variant, model
from zorki.tasks.detection.models.ssd.default_boxes import PriorGrid, prior_shapes
from zorki.tasks.detection.models.ssd.extra_layers import ExtraMap, ExtraMaps, MapScale, SsdVgg, extra_maps
from zorki.tasks.detection.models.ssd.hard_negative_mining import hard_negatives
from zorki.tasks.detection.networks.coco_category_ids import accept_coco_slots
from zorki.tasks.detection.networks.dense_heads import rows_of
from zorki.tasks.detection.networks.detector import Detector, NmsCandidates, settings_on
from zorki.tasks.detection.networks.target_assignment import GroundTruthBatch, match_each, stack_ground_truths
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes
from zorki.weights.weight_map import WeightMap

# "Variances" 0.1 and 0.2 of the authors' code: offsets are learned ten and five times enlarged.
_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
_MEAN, _STD = (0.48235, 0.45882, 0.40784), (1 / 255, 1 / 255, 1 / 255)

# The authors' settings for COCO: the share of the input's side that the priors of each map span.
_SCALES_300 = (0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05)
_SCALES_512 = (0.04, 0.1, 0.26, 0.42, 0.58, 0.74, 0.9, 1.06)
_ASPECTS_300 = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
_ASPECTS_512 = ((2,), (2, 3), (2, 3), (2, 3), (2, 3), (2,), (2,))


@dataclass
class SsdOutputs:
    """For each prior its offsets and the logits of background (slot 0) and of the K classes."""

    offsets: Float[Tensor, "B P 4"]
    logits: Float[Tensor, "B P K1"]
    priors: Float[Tensor, "P 4"]
    height: int
    width: int


@torch.no_grad()
def match_priors(priors: Float[Tensor, "P 4"], ground_truths: GroundTruthBatch, matching: str) -> Int[Tensor, "B P"]:
    """For each image and prior the row in `ground_truths` that it learns, or BACKGROUND.

    "iou" is the paper's (section 2.2): each box claims a prior of its own, the pairs of highest overlap first, and each
    other prior takes the box that it overlaps most, where by at least 0.5; see `match_each`. "hungarian" gives each box
    exactly one prior, no two boxes the same, so that the sum of 1 - GIoU is least; all other priors are background.
    """
    if matching == "iou":
        return match_each(priors, ground_truths, 0.5)
    owners = torch.full((len(ground_truths.xyxy), len(priors)), BACKGROUND, device=priors.device)
    for image, count in enumerate(ground_truths.present.sum(1).tolist()):
        cost = 1 - generalized_iou(priors[:, None], ground_truths.xyxy[image, None, :count])
        rows, columns = match_by_cost(cost)
        owners[image, rows] = columns
    return owners


class Ssd(Detector[SsdOutputs]):
    """SSD on any backbone: 3x3 convolutions on maps of falling resolution predict offsets and classes of priors.

    The loss is section 2.2's: softmax cross-entropy of positives and of three hard negatives for each, and smooth L1
    of the positives' offsets, both divided by the number of positives in the batch. An image without objects teaches
    three hard negatives, where the paper learns nothing from it.

    Args:
        backbone: makes features.
        taps: which of its maps are used.
        extra: makes coarser maps from the last.
        grid: the priors of all maps.
        scaled: so many of the backbone's maps come at a learned scale, see `MapScale`; the paper has it for the first.
            Without norms in the backbone all need it: heads on maps of other magnitudes learn slowly, and ill.
        matching: "iou" or "hungarian", see `match_priors`.
        separable: the predicting convolutions are SSDLite's, see `separable_output`.
        settings: of the `Detector`.
    """

    def __init__(
        self,
        backbone: Backbone,
        taps: Sequence[int],
        extra: ExtraMaps,
        grid: PriorGrid,
        *,
        num_classes: int,
        scaled: int = 1,
        matching: str = "iou",
        separable: bool = False,
        settings: dict[str, Any],
    ) -> None:
        super().__init__(backbone, num_classes=num_classes, min_score=0.01, max_iou=0.45, max_boxes=200, **settings)
        if matching not in ("iou", "hungarian"):
            raise RecipeError(f"matching must be 'iou' or 'hungarian', not {matching!r}")
        self.taps, self.extra, self.grid, self.matching = tuple(taps), extra, grid, matching
        self.scales = nn.ModuleList(MapScale(backbone.channels[tap]) for tap in self.taps[:scaled])
        widths = [*(backbone.channels[tap] for tap in self.taps), *extra.channels]
        counts = [len(shapes) for shapes in grid.shapes]
        pairs = list(zip(widths, counts, strict=True))
        convolution = separable_output if separable else partial(nn.Conv2d, kernel_size=3, padding=1)
        self.regressors = nn.ModuleList(convolution(width, 4 * count) for width, count in pairs)
        self.classifiers = nn.ModuleList(convolution(width, (num_classes + 1) * count) for width, count in pairs)
        for layer in (*self.regressors, *self.classifiers):
            # The paper's Xavier start gives wild outputs behind features that no norm has tamed.
            nn.init.normal_(_last(layer).weight, std=0.01)
            nn.init.zeros_(_last(layer).bias)  # type: ignore[arg-type]
        for layer in self.classifiers:
            accept_coco_slots(_last(layer), num_classes, nothing="first")

    def forward(self, inputs: Num[Tensor, "B C H W"]) -> SsdOutputs:
        """Raw outputs for uint8 images."""
        height, width = (int(side) for side in inputs.shape[-2:])
        found = self.backbone(self.normalize(inputs))
        maps = [found[tap] for tap in self.taps]
        maps += self.extra(maps[-1])
        priors = self.grid(maps, height, width)
        for index, scale in enumerate(self.scales):
            maps[index] = scale(maps[index])
        offsets = [rows_of(layer(x), 4) for layer, x in zip(self.regressors, maps, strict=True)]
        logits = [rows_of(layer(x), self.num_classes + 1) for layer, x in zip(self.classifiers, maps, strict=True)]
        return SsdOutputs(torch.cat(offsets, 1), torch.cat(logits, 1), priors, height, width)

    def loss(self, outputs: SsdOutputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Terms of classes and boxes."""
        offsets, logits = outputs.offsets.float(), outputs.logits.float()
        ground_truths = stack_ground_truths(targets, logits.device)
        owners = match_priors(outputs.priors, ground_truths, self.matching)
        image, prior = (owners >= 0).nonzero(as_tuple=True)
        box = ground_truths.xyxy[image, owners[image, prior]]
        target_labels = ground_truths.of(owners) + 1  # slot 0 is background
        surprise = functional.cross_entropy(logits.flatten(0, 1), target_labels.flatten(), reduction="none").view_as(
            target_labels
        )
        learned = (target_labels > 0) | hard_negatives(surprise, target_labels > 0, 3.0, least=3)
        encoded = encode_offsets(outputs.priors[prior], box, _WEIGHTS)
        distance = functional.smooth_l1_loss(offsets[image, prior], encoded, reduction="sum")
        positives = max(1, len(image))
        return {"classes": (surprise * learned).sum() / positives, "boxes": distance / positives}

    def candidates(self, outputs: SsdOutputs) -> NmsCandidates:
        """The 400 best priors of each class, or all where there are fewer."""
        scores = outputs.logits.float().softmax(-1)[..., 1:].transpose(1, 2)
        xyxy = decode_offsets(outputs.priors, outputs.offsets.float(), _WEIGHTS)
        xyxy = clip_boxes(xyxy, outputs.height, outputs.width)
        best, rows = scores.topk(min(400, scores.shape[-1]), dim=-1)
        labels = torch.arange(self.num_classes, device=rows.device)[None, :, None].expand_as(rows)
        picked = xyxy.gather(1, rows.flatten(1)[..., None].expand(-1, -1, 4))
        return NmsCandidates(picked, best.flatten(1), labels.flatten(1))


def _last(layer: nn.Module) -> nn.Conv2d:
    """The convolution that gives the outputs."""
    output = layer[-1] if isinstance(layer, nn.Sequential) else layer
    assert isinstance(output, nn.Conv2d)
    return output


@model(
    Detection,
    variants=[
        Variant("ssd_squeezenet", "SSD (Liu et al., 2016) on SqueezeNet 1.0.", {"backbone": "squeezenet"}),
        Variant(
            "ssd_mobilenet_v3_large",
            "SSD (Liu et al., 2016) on MobileNetV3-Large.",
            {"backbone": "mobilenet_v3_large"},
            {"image_size": 320},
        ),
        Variant(
            "ssd_mobilenet_v3_small",
            "SSDLite (Liu et al., 2016; Sandler et al., 2018) on MobileNetV3-Small.",
            {"backbone": "mobilenet_v3_small"},
            {"image_size": 320, "separable": True},
            former={"separable": False},
        ),
    ],
    any_backbone="ssd_{backbone}",
)
def ssd(
    num_classes: int, *, backbone: str, image_size: int = 300, matching: str = "iou", separable: bool = False
) -> Ssd:
    """SSD (Liu et al., 2016) on any backbone.

    Its maps of strides 8 and more are used, continued by strided convolutions to six. Priors are those of SSD300 for
    COCO, in shares of `image_size`; images are as long as `image_size` and not made square, their canvas 32 pixels at
    least: of a lower strip some backbones keep no pixel.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the images' longer side, in pixels.
        matching: "iou" or "hungarian", see `match_priors`.
        separable: the 3x3 convolutions behind the backbone are depthwise-separable: SSDLite.

    Raises:
        RecipeError: there is no such backbone, or it has no map of stride 8 or more.
    """
    network = named_backbone(backbone)
    last = {stride: tap for stride, tap in last_maps(network).items() if stride >= 8}
    if not last:
        raise RecipeError(f"SSD needs maps of stride 8 or more, but {backbone} has {network.strides}")
    strides, taps = list(last)[:6], list(last.values())[:6]
    drop_later_maps(network, taps[-1])
    extra = extra_maps(network.channels[taps[-1]], 6 - len(taps), separable=separable)
    while len(strides) < 6:
        strides.append(2 * strides[-1])
    return Ssd(
        network,
        taps,
        extra,
        PriorGrid(prior_shapes(image_size, _SCALES_300, _ASPECTS_300), strides),
        num_classes=num_classes,
        scaled=len(taps),
        matching=matching,
        separable=separable,
        settings=settings_on(backbone, Letterbox(image_size, stride=16, least=32)),
    )


@model(
    Detection,
    weights={"coco": "torchvision:SSD300_VGG16_Weights.COCO_V1", "imagenet": "torchvision:VGG16_Weights.IMAGENET1K_V1"},
)
def ssd300_vgg16(num_classes: int, *, matching: str = "iou") -> Ssd:
    """SSD300 (Liu et al., 2016) on VGG-16: squares of 300 pixels, 8732 priors."""
    maps = [ExtraMap(256, 512), ExtraMap(128, 256), *[ExtraMap(128, 256, stride=1, padding=0)] * 2]
    shapes = prior_shapes(300, _SCALES_300, _ASPECTS_300)
    return _on_vgg(num_classes, 300, maps, PriorGrid(shapes, (8, 16, 32, 64, 100, 300), centered=False), matching)


@model(Detection, weights={"imagenet": "torchvision:VGG16_Weights.IMAGENET1K_V1"})
def ssd512_vgg16(num_classes: int, *, matching: str = "iou") -> Ssd:
    """SSD512 (Liu et al., 2016) on VGG-16: squares of 512 pixels, 24564 priors."""
    maps = [ExtraMap(256, 512), *[ExtraMap(128, 256)] * 3, ExtraMap(128, 256, kernel=4, stride=1)]
    shapes = prior_shapes(512, _SCALES_512, _ASPECTS_512)
    strides = (8, 16, 32, 64, 128, 256, 512)
    return _on_vgg(num_classes, 512, maps, PriorGrid(shapes, strides, centered=False), matching)


def _on_vgg(num_classes: int, size: int, maps: Sequence[ExtraMap], grid: PriorGrid, matching: str) -> Ssd:
    return Ssd(
        SsdVgg(),
        (0, 1),
        ExtraMaps(1024, maps, norm=False),
        grid,
        num_classes=num_classes,
        matching=matching,
        settings={
            "preprocess": Resize(size),
            "mean": _MEAN,
            "std": _STD,
            "weight_map": WeightMap(_vgg_published(len(grid.shapes))),
            # Without norms, larger learning rates diverge.
            "defaults": TrainingDefaults(lr=1e-4, finetune_lr=1e-4, weight_decay=5e-4),
        },
    )


def _vgg_published(levels: int) -> dict[str, str]:
    """Where torchvision's names of SSD's weights stand in ours; VGG's own file fills `features`."""
    names = {"backbone.scale_weight": "scales.0.weight", "classifier.": "classifier."}
    # torchvision keeps what is behind conv4_3 in its first extra part, counted anew: conv5 and the two former fully
    # connected layers.
    names |= {f"backbone.extra.0.{layer}.": f"backbone.features.{23 + layer}." for layer in (1, 3, 5)}
    names |= {"backbone.extra.0.7.1.": "backbone.fc6.", "backbone.extra.0.7.3.": "backbone.fc7."}
    names |= {f"backbone.extra.{map}.": f"extra.maps.{map - 1}." for map in range(1, levels - 1)}
    for level in range(levels):
        names[f"head.classification_head.module_list.{level}."] = f"classifiers.{level}."
        names[f"head.regression_head.module_list.{level}."] = f"regressors.{level}."
    return names
