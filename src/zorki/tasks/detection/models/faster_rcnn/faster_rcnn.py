"""Faster R-CNN (Ren et al., 2015), on one feature map and on a feature pyramid (Lin et al., 2017)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int, Num, UInt8
from torch import Tensor, nn

from zorki.contracts.capabilities import Focus, Selection
from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.shortest_edge import ShortestEdge
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import IMAGENET
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.nn.layers.normalize import Normalize
from zorki.nn.necks.fpn import FeaturePyramid, pyramid_published
from zorki.nn.necks.one_map import OneMap, drop_later_maps
from zorki.ops.boxes import clip_boxes
from zorki.ops.fixed_nms import FixedBoxes
from zorki.ops.roi import join_regions
from zorki.registry import Variant, model
from zorki.tasks.detection.models.faster_rcnn.region_proposal_network import (
    RegionProposalNetwork,
    RpnOutputs,
    rpn_anchor_shapes,
    rpn_for,
    rpn_published,
)
from zorki.tasks.detection.networks.box_focus import choose_box
from zorki.tasks.detection.networks.detector import (
    Detector,
    NmsCandidates,
    NormsWithoutEpsilon,
    fixed_boxes,
    settings_on,
)
from zorki.tasks.detection.networks.region_heads import HiddenLayers, RegionHead, head_published, hidden_published
from zorki.tasks.detection.networks.regions import (
    MIN_SIDE,
    SampledRegions,
    decode_regions,
    inside_image,
    region_candidates,
    region_losses,
    sample_regions,
)
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes, Placement
from zorki.weights.weight_map import WeightMap


@dataclass
class FasterRcnnOutputs:
    """The maps that both stages read, and the outputs of the first; the second runs on the regions it is given."""

    maps: list[Tensor]  # each (B, C, h, w), finest first
    rpn: RpnOutputs
    size: tuple[int, int]  # of the input


torch.export.register_dataclass(FasterRcnnOutputs)


class FasterRcnn(Detector[FasterRcnnOutputs]):
    """A region proposal network, and a head that classifies and refines each proposal, on the same features.

    Both are trained together, with all four losses weighing 1 ("approximate joint training", section 3.2).

    Args:
        backbone: makes features.
        neck: from all maps of the backbone to those that both stages read.
        proposals: the first stage.
        head: the second.
        count: regions an image that the second stage learns from.
        max_iou: of two boxes of a class that are predicted.
        max_boxes: predictions an image.
        settings: of the `Detector`.
    """

    def __init__(
        self,
        backbone: Backbone,
        neck: nn.Module,
        proposals: RegionProposalNetwork,
        head: RegionHead,
        *,
        num_classes: int,
        count: int = 512,
        max_iou: float = 0.5,
        max_boxes: int = 100,
        settings: dict[str, Any],
    ) -> None:
        super().__init__(backbone, num_classes=num_classes, max_iou=max_iou, max_boxes=max_boxes, **settings)
        self.neck = neck
        self.proposals = proposals
        self.head = head
        self.count = count

    def forward(self, inputs: Num[Tensor, "B C H W"]) -> FasterRcnnOutputs:
        """Features and proposals for uint8 images."""
        maps = self.neck(self.backbone(self.normalize(inputs)))
        size = (inputs.shape[2], inputs.shape[3])
        return FasterRcnnOutputs(maps, self.proposals(maps, size), size)

    def release_normalization(self) -> Normalize:
        """Hands the normalization over to a model that holds this one, and takes normalized floats from then on."""
        normalize = self.normalize
        self.normalize = nn.Identity()  # type: ignore[assignment]
        return normalize

    def trace(self, images: Num[Tensor, "B C H W"]) -> None:
        """Both stages, the second on as many regions as are predicted at most; see `Traces`."""
        maps = self.neck(self.backbone(self.normalize(images)))
        self.proposals.predict(maps)
        self.head(maps[0].new_empty(self.proposals.after[1], maps[0].shape[1], *self.head.size))

    def loss(self, outputs: FasterRcnnOutputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """The two losses of the proposals, and those of the second stage on sampled proposals."""
        return self.losses_on(outputs, targets, self.sample(outputs, targets))

    def sample(self, outputs: FasterRcnnOutputs, targets: Sequence[Boxes]) -> SampledRegions:
        """Random proposals that the second stage learns from; other heads on regions learn from the same."""
        return sample_regions(outputs.rpn.proposals, targets, num_classes=self.num_classes, count=self.count)

    def losses_on(
        self, outputs: FasterRcnnOutputs, targets: Sequence[Boxes], sampled: SampledRegions
    ) -> dict[str, Float[Tensor, ""]]:
        """The losses of both stages, those of the second on the sampled regions."""
        logits, offsets = self.head(self.head.pool(outputs.maps, sampled.regions, sampled.images, outputs.size))
        return {**self.proposals.losses(outputs.rpn, targets), **region_losses(logits, offsets, sampled)}

    def expected_losses(self, outputs: FasterRcnnOutputs, targets: Sequence[Boxes]) -> dict[str, float]:
        """A coin's toss of the first stage, and in the second K classes and background that are equally likely."""
        return {"objectness": math.log(2), "classes": math.log(self.num_classes + 1)}

    @torch.no_grad()
    def decode(self, outputs: FasterRcnnOutputs, placements: Sequence[Placement]) -> list[Boxes]:
        """The boxes of each image, best first, in original pixels, on the CPU."""
        found = self.find(outputs, placements)
        return [boxes.to("cpu").restore(placement) for boxes, placement in zip(found, placements, strict=True)]

    @torch.no_grad()
    def find(self, outputs: FasterRcnnOutputs, placements: Sequence[Placement]) -> list[Boxes]:
        """The boxes of each image as `decode` predicts them, but in network pixels, and where the outputs are."""
        regions, images = join_regions(outputs.rpn.proposals)
        logits, offsets = self.head(self.head.pool(outputs.maps, regions, images, outputs.size))
        found = region_candidates(
            logits,
            offsets,
            regions,
            images,
            num_images=len(placements),
            height=outputs.size[0],
            width=outputs.size[1],
            min_score=self.min_score,
        )
        return [self.nms(inside_image(boxes, placement)) for boxes, placement in zip(found, placements, strict=True)]

    def export_network(self) -> nn.Module:
        return ExportedFasterRcnn(self)

    def complete_focus(self, outputs: FasterRcnnOutputs, focus: Focus, placement: Placement) -> Focus:
        return choose_box(self.find(outputs, [placement])[0], focus)

    def focus_scores(self, outputs: FasterRcnnOutputs, focus: Focus) -> Float[Tensor, " B"]:
        """What the second stage makes of the very box: the probability of its class."""
        assert focus.label is not None
        count = len(outputs.maps[0])
        regions = outputs.maps[0].new_tensor([focus.box]).expand(count, 4)
        images = torch.arange(count, device=regions.device)
        logits, _ = self.head(self.head.pool(outputs.maps, regions, images, outputs.size))
        return logits.float().softmax(1)[:, focus.label + 1]

    def with_selection(self, selection: Selection) -> FasterRcnn:
        """As `Detector.with_selection`; for more boxes, as many more proposals come out of the first stage."""
        view = super().with_selection(selection)
        assert isinstance(view, FasterRcnn)
        view.proposals = self.proposals.with_more_proposals(view.max_boxes / self.max_boxes)
        return view


class ExportedFasterRcnn(nn.Module):
    """As `ExportedDetector`: as many proposals for every image, all of which the second stage looks at."""

    def __init__(self, model: FasterRcnn) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, images: UInt8[Tensor, "B 3 H W"], frames: Float[Tensor, "B 4"]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See `BOX_OUTPUTS`."""
        return self.find(self.maps(images), frames, (images.shape[2], images.shape[3])).tensors()

    def maps(self, images: Tensor) -> list[Tensor]:
        """What both stages read, of pixels, or of what a model that holds this one has made of them."""
        model = self.model
        return model.neck(model.backbone(model.normalize(images)))  # type: ignore[no-any-return]

    def find(self, maps: list[Tensor], frames: Float[Tensor, "B 4"], size: tuple[int, int]) -> FixedBoxes:
        """The boxes of each image in network pixels; `size` is the input's (height, width)."""
        model = self.model
        proposals, there = model.proposals.propose_fixed(maps, size)
        rows, owners = flat_regions(proposals)
        logits, offsets = model.head(model.head.pool(maps, rows, owners, size))
        xyxy, scores = decode_regions(logits, offsets, rows)
        scores = torch.where(there.flatten()[:, None], scores, -1.0)
        labels = torch.arange(model.num_classes).expand_as(scores)
        batch = proposals.shape[0]
        parts = (part.reshape(batch, -1, *part.shape[2:]) for part in (clip_boxes(xyxy, *size), scores, labels))
        return fixed_boxes(model, NmsCandidates(*parts), frames, MIN_SIDE)


def flat_regions(regions: Float[Tensor, "B P 4"]) -> tuple[Float[Tensor, "N 4"], Int[Tensor, " N"]]:
    """The regions of all images in one tensor, and the image of each."""
    batch, count = regions.shape[:2]
    return regions.flatten(0, 1), torch.arange(batch)[:, None].expand(-1, count).flatten()


@model(
    Detection,
    variants=[
        Variant(
            "faster_rcnn_squeezenet",
            "Faster R-CNN (Ren et al., 2015) on the last map of SqueezeNet 1.0, for small images.",
            {"backbone": "squeezenet"},
        ),
    ],
    any_backbone="faster_rcnn_{backbone}",
)
def faster_rcnn(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 320,
    stride: int = 16,
    channels: int = 256,
    hidden: int = 512,
    anchor_sizes: tuple[float, ...] = (16, 32, 64, 128, 256),
    count: int = 128,
    max_boxes: int = 100,
    min_score: float = 0.05,
    frozen_norms: bool = True,
) -> FasterRcnn:
    """Faster R-CNN (Ren et al., 2015) on one feature map, for small images and small batches.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels.
        stride: of the map that both stages read.
        channels: to which this map is reduced.
        hidden: width of the two hidden layers of the second stage.
        anchor_sizes: in pixels; each comes in the aspects 1:2, 1:1 and 2:1.
        count: regions an image that the second stage learns from.
        max_boxes: predictions an image; three times as many proposals are looked at.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.
    """
    network = backbone_named(backbone)
    neck = OneMap(network, stride, channels)
    drop_later_maps(network, neck.tap)
    return FasterRcnn(
        network,
        neck,
        rpn_for(max_boxes, channels, neck.strides, [rpn_anchor_shapes(anchor_sizes)], before=(1000, 500)),
        RegionHead(HiddenLayers(channels * 49, hidden), hidden, num_classes, strides=neck.strides),
        num_classes=num_classes,
        count=count,
        max_boxes=max_boxes,
        settings=settings_on(
            backbone, Letterbox(image_size, stride=32), min_score=min_score, frozen_norms=frozen_norms
        ),
    )


@model(
    Detection,
    variants=[
        Variant(
            "faster_rcnn_squeezenet_fpn",
            "Faster R-CNN on a feature pyramid (Lin et al., 2017) of SqueezeNet 1.0, for small images.",
            {"backbone": "squeezenet"},
        ),
        Variant(
            "faster_rcnn_mobilenet_v3_large_fpn",
            "Faster R-CNN on a feature pyramid (Lin et al., 2017) of MobileNetV3 large, for small images.",
            {"backbone": "mobilenet_v3_large"},
        ),
    ],
    any_backbone="faster_rcnn_{backbone}_fpn",
)
def faster_rcnn_fpn(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 320,
    channels: int = 128,
    hidden: int = 512,
    anchor_scale: float = 2.0,
    count: int = 128,
    max_boxes: int = 100,
    min_score: float = 0.05,
    frozen_norms: bool = True,
) -> FasterRcnn:
    """Faster R-CNN on a feature pyramid (Lin et al., 2017) of strides 8 to 64, for small images and small batches.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels.
        channels: of the pyramid.
        hidden: width of the two hidden layers of the second stage.
        anchor_scale: the smaller of the two anchor sizes of a level in strides; the larger is half an octave up.
        count: regions an image that the second stage learns from.
        max_boxes: predictions an image; three times as many proposals are looked at.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.
    """
    network = backbone_named(backbone)
    neck = FeaturePyramid(network, (8, 16, 32, 64), channels)
    shapes = [rpn_anchor_shapes((anchor_scale * stride, anchor_scale * stride * 2**0.5)) for stride in neck.strides]
    # Half of the paper's 224: objects of 56 pixels are read from the map of stride 8.
    head = RegionHead(
        HiddenLayers(channels * 49, hidden), hidden, num_classes, strides=neck.strides[:-1], home_size=112
    )
    return FasterRcnn(
        network,
        neck,
        rpn_for(max_boxes, channels, neck.strides, shapes, before=(500, 300)),
        head,
        num_classes=num_classes,
        count=count,
        max_boxes=max_boxes,
        settings=settings_on(
            backbone, Letterbox(image_size, stride=32), min_score=min_score, frozen_norms=frozen_norms
        ),
    )


@model(Detection, weights={"imagenet": IMAGENET["vgg16"]})
def faster_rcnn_vgg16(
    num_classes: int, *, shorter: int = 600, longest: int = 1000, hidden: int = 4096, dropout: float = 0.5
) -> FasterRcnn:
    """Faster R-CNN (Ren et al., 2015) on VGG-16, as in the paper; fc6 and fc7 start from the classifier's.

    Args:
        shorter: the shorter side of the images, in pixels (section 3.3).
        longest: what the longer side must not exceed.
        hidden: width of fc6 and fc7; the classifier's weights fit 4096.
        dropout: of the hidden layers.
    """
    network = backbone_named("vgg16")
    neck = OneMap(network, 16)
    drop_later_maps(network, neck.tap)
    shapes = [rpn_anchor_shapes((128, 256, 512))]
    return FasterRcnn(
        network,
        neck,
        RegionProposalNetwork(neck.channels, neck.strides, shapes, before=(12000, 6000), after=(2000, 300)),
        RegionHead(
            HiddenLayers(neck.channels * 49, hidden, dropout=dropout),
            hidden,
            num_classes,
            strides=neck.strides,
            kind="pool",
            grid="corner",
        ),
        num_classes=num_classes,
        count=128,
        max_iou=0.3,  # as the authors' code has it, of which the paper does not tell
        settings={
            "preprocess": ShortestEdge(shorter, longest),
            "min_score": 0.05,
            "weight_map": WeightMap(hidden_published("classifier.0", "classifier.3")),
        },
    )


@model(
    Detection,
    weights={"coco": "torchvision:FasterRCNN_ResNet50_FPN_Weights.COCO_V1", "imagenet": IMAGENET["resnet50"]},
)
def faster_rcnn_resnet50_fpn(
    num_classes: int,
    *,
    shorter: int = 800,
    longest: int = 1333,
    min_score: float = 0.05,
    frozen_norms: bool = True,
) -> FasterRcnn:
    """Faster R-CNN on a feature pyramid (Lin et al., 2017) of ResNet-50, the twin of torchvision's.

    Args:
        shorter: the shorter side of the images, in pixels.
        longest: what the longer side must not exceed.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.
    """
    network = backbone_named("resnet50")
    neck = FeaturePyramid(network, (4, 8, 16, 32, 64), 256, extra="pool")
    shapes = [rpn_anchor_shapes((8 * stride,), whole=True) for stride in neck.strides]
    head = RegionHead(HiddenLayers(256 * 49, 1024), 1024, num_classes, strides=neck.strides[:4], grid="corner")
    return FasterRcnn(
        network,
        neck,
        RegionProposalNetwork(256, neck.strides, shapes, grid="corner"),
        head,
        num_classes=num_classes,
        settings={
            "preprocess": ShortestEdge(shorter, longest),
            "min_score": min_score,
            "frozen_norms": frozen_norms,
            "weight_map": NormsWithoutEpsilon(
                {**pyramid_published(4), **rpn_published(), **head_published()},
                "fasterrcnn_resnet50_fpn_coco-258fb6c6",
            ),
        },
    )
