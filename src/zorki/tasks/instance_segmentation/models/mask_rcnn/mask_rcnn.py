"""Mask R-CNN (He et al., 2017): Faster R-CNN with a mask for every box that it predicts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Num, UInt8
from torch import Tensor, nn

from zorki.contracts import Model, Preprocess
from zorki.contracts.capabilities import ExportGraph, Focus, PixelStatistics, Selection
from zorki.data.preprocess.letterbox import Letterbox
from zorki.nn.backbones.named import IMAGENET
from zorki.nn.layers.normalize import Normalize
from zorki.nn.view import view_of
from zorki.ops.roi import join_regions
from zorki.registry import Variant, model
from zorki.tasks.detection.models.faster_rcnn.faster_rcnn import (
    ExportedFasterRcnn,
    FasterRcnn,
    FasterRcnnOutputs,
    faster_rcnn,
    faster_rcnn_fpn,
    faster_rcnn_resnet50_fpn,
    flat_regions,
)
from zorki.tasks.detection.networks.box_stitcher import ALIKE
from zorki.tasks.instance_segmentation.models.mask_rcnn.mask_head import (
    MaskHead,
    mask_head_published,
    paste_masks,
    region_mask_loss,
)
from zorki.tasks.instance_segmentation.networks.mask_stitcher import MaskStitcher
from zorki.tasks.instance_segmentation.task import InstanceSegmentation
from zorki.tiles import Tiles
from zorki.types import Boxes, Instances, Placement
from zorki.weights.weight_map import WeightMap


class MaskRcnn(Model[FasterRcnnOutputs, Instances, Instances]):
    """Faster R-CNN, and beside its head on regions another, which draws their masks from the same maps.

    All five losses weigh 1. Masks learn from the positive ones of the regions that classes and boxes learn from, and
    are predicted for the predicted boxes alone (section 3.1), each from the map of the box's class.

    Args:
        detector: predicts the boxes. Its normalization becomes this network's.
        channels: of the maps that its heads read.
        hidden: channels of the mask head.
        preprocess: from images to the batch; None: the detector's.
    """

    margin = 0
    normalize: Normalize

    def __init__(
        self, detector: FasterRcnn, channels: int, *, hidden: int = 256, preprocess: Preprocess | None = None
    ) -> None:
        super().__init__()
        self.normalize = detector.release_normalization()
        self.detector = detector
        self.mask_head = MaskHead(channels, detector.num_classes, hidden=hidden)
        self.channels, self.num_classes = channels, detector.num_classes
        self.preprocess, self.defaults = preprocess or detector.preprocess, detector.defaults
        self.weight_map = MaskRcnnWeights(mask_head_published(), detector.weight_map)

    def forward(self, inputs: Num[Tensor, "B C H W"]) -> FasterRcnnOutputs:
        """Features and proposals for uint8 images."""
        outputs: FasterRcnnOutputs = self.detector(self.normalize(inputs))
        return outputs

    def trace(self, images: Num[Tensor, "B C H W"]) -> None:
        """All stages, masks for as many boxes as are predicted at most; see `Traces`."""
        x = self.normalize(images)
        self.detector.trace(x)
        self.mask_head(x.new_empty(self.detector.max_boxes, self.channels, *self.mask_head.size))

    def loss(self, outputs: FasterRcnnOutputs, targets: Sequence[Instances]) -> dict[str, Tensor]:
        """The four losses of Faster R-CNN, and that of the masks."""
        learnable = [_learnable(target) for target in targets]
        boxes = [Boxes(target.xyxy, target.labels) for target in learnable]
        sampled = self.detector.sample(outputs, boxes)
        rows = sampled.positive.nonzero()[:, 0]
        positive = dataclasses.replace(
            sampled, **{f.name: getattr(sampled, f.name)[rows] for f in dataclasses.fields(sampled)}
        )
        logits = self._masks(outputs, positive.regions, positive.images)
        return {
            **self.detector.losses_on(outputs, boxes, sampled),
            "masks": region_mask_loss(logits, positive, learnable),
        }

    def expected_losses(self, outputs: FasterRcnnOutputs, targets: Sequence[Instances]) -> dict[str, float]:
        """Those of Faster R-CNN, and a coin's toss for every pixel of a mask."""
        return {**self.detector.expected_losses(outputs, []), "masks": math.log(2)}

    @torch.no_grad()
    def decode(self, outputs: FasterRcnnOutputs, placements: Sequence[Placement]) -> list[Instances]:
        """The objects of each image, best first, in original pixels, on the CPU; boxes are Faster R-CNN's."""
        found = self.detector.find(outputs, placements)
        logits = self._masks(outputs, *join_regions([boxes.xyxy for boxes in found]))
        labels = torch.cat([boxes.labels for boxes in found])
        rows = torch.arange(len(labels), device=labels.device)
        shares = logits[rows, labels].float().sigmoid().split([len(boxes) for boxes in found])
        predictions = []
        for boxes, share, placement in zip(found, shares, placements, strict=True):
            original = boxes.to("cpu").restore(placement)
            masks = paste_masks(share, original.xyxy, placement.height, placement.width)
            predictions.append(Instances(original.xyxy, original.labels, masks, original.scores))
        return predictions

    def _masks(self, outputs: FasterRcnnOutputs, regions: Tensor, images: Tensor) -> Tensor:
        """Logits (N, K, 28, 28) of regions in network pixels."""
        pooled = self.detector.head.pool(outputs.maps, regions, images, outputs.size, self.mask_head.size)
        logits: Tensor = self.mask_head(pooled)
        return logits

    def export_graph(self, height: int, width: int) -> ExportGraph:
        """As a detector's, with "masks" (B, M, 28, 28): how likely each cell of a box is of its object."""
        graph = self.detector.export_graph(height, width)
        outputs = (*graph.outputs, "masks")
        decoding = self.detector.decoding("box_masks")
        return dataclasses.replace(graph, network=ExportedMaskRcnn(self), outputs=outputs, decoding=decoding)

    @property
    def has_nms(self) -> bool:
        """Whether non-maximum suppression thins out the boxes."""
        return self.detector.has_nms

    def with_selection(self, selection: Selection) -> MaskRcnn:
        """The network with other thresholds for its boxes, and the same weights."""
        view = view_of(self)
        view.detector = self.detector.with_selection(selection)
        return view

    def stitcher(self, tiles: Tiles) -> MaskStitcher[FasterRcnnOutputs]:
        max_iou = self.detector.max_iou
        return MaskStitcher(self.decode, tiles, ALIKE if max_iou is None else max_iou)

    focus_unit = "score"

    def complete_focus(self, outputs: FasterRcnnOutputs, focus: Focus, placement: Placement) -> Focus:
        return self.detector.complete_focus(outputs, focus, placement)

    def focus_scores(self, outputs: FasterRcnnOutputs, focus: Focus) -> Float[Tensor, " B"]:
        """Of the object's box; its mask is drawn afterwards."""
        return self.detector.focus_scores(outputs, focus)

    def backbone_stages(self) -> list[nn.Module]:
        return self.detector.backbone_stages()

    def measure_pixels(self, images: Tensor, kind: PixelStatistics) -> None:
        self.normalize.measure(images, kind)


class ExportedMaskRcnn(nn.Module):
    """As `ExportedFasterRcnn`, with the mask of each box, and of those that fill up."""

    def __init__(self, model: MaskRcnn) -> None:
        super().__init__()
        self.model, self.boxes = model, ExportedFasterRcnn(model.detector)

    def forward(self, images: UInt8[Tensor, "B 3 H W"], frames: Float[Tensor, "B 4"]) -> tuple[Tensor, ...]:
        """See `MaskRcnn.export_graph`."""
        model, size = self.model, (images.shape[2], images.shape[3])
        maps = self.boxes.maps(model.normalize(images))
        found = self.boxes.find(maps, frames, size)
        rows, owners = flat_regions(found.xyxy)
        logits = model.mask_head(model.detector.head.pool(maps, rows, owners, size, model.mask_head.size))
        labels = found.labels.clamp_min(0).flatten()[:, None, None, None].expand(-1, 1, *logits.shape[2:])
        masks = logits.gather(1, labels)[:, 0].float().sigmoid()
        return *found.tensors(), masks.reshape(*found.labels.shape, *masks.shape[1:])


@dataclasses.dataclass(frozen=True)
class MaskRcnnWeights(WeightMap):
    """Also for weights of Faster R-CNN, and of whatever may stand below it."""

    detector: WeightMap = dataclasses.field(default_factory=WeightMap)

    def rename(self, name: str, model: nn.Module) -> str:
        if name.startswith(("detector.", "mask_head.", "normalize.")):
            return name
        if name.startswith("roi_heads.mask_"):
            return super().rename(name, model)
        return f"detector.{self.detector.rename(name, model.get_submodule('detector'))}"

    def adapt(self, tensors: Mapping[str, Tensor], file: str, model: nn.Module) -> Mapping[str, Tensor]:
        return self.detector.adapt(tensors, file, model.get_submodule("detector"))


def _learnable(target: Instances) -> Instances:
    """The objects that a network learns from: no crowds, and none whose box has no area; in network pixels."""
    keep = (target.xyxy[:, 2:] > target.xyxy[:, :2]).all(1)
    if target.crowd is not None:
        keep &= ~target.crowd
    return target[keep]


@model(
    InstanceSegmentation,
    any_backbone="mask_rcnn_{backbone}",
)
def mask_rcnn(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 320,
    stride: int = 16,
    channels: int = 256,
    hidden: int = 512,
    mask_hidden: int = 256,
    anchor_sizes: tuple[float, ...] = (16, 32, 64, 128, 256),
    count: int = 128,
    max_boxes: int = 100,
    min_score: float = 0.05,
    frozen_norms: bool = True,
    autocontrast: bool = False,
    dark_ground: bool = False,
) -> MaskRcnn:
    """Mask R-CNN (He et al., 2017) on one feature map, for small images and small batches.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels.
        stride: of the map that all stages read.
        channels: to which this map is reduced.
        hidden: width of the two hidden layers for classes and boxes.
        mask_hidden: channels of the mask head.
        anchor_sizes: in pixels; each comes in the aspects 1:2, 1:1 and 2:1.
        count: regions an image that the heads learn from.
        max_boxes: predictions an image; three times as many proposals are looked at.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.
        autocontrast: each image is stretched from black to white first, see `Letterbox`.
        dark_ground: images most of which is bright are turned to their negatives first, see `Letterbox`.
    """
    detector = faster_rcnn(
        num_classes,
        backbone=backbone,
        image_size=image_size,
        stride=stride,
        channels=channels,
        hidden=hidden,
        anchor_sizes=anchor_sizes,
        count=count,
        max_boxes=max_boxes,
        min_score=min_score,
        frozen_norms=frozen_norms,
    )
    preprocess = Letterbox(image_size, stride=32, autocontrast=autocontrast, dark_ground=dark_ground)
    return MaskRcnn(detector, channels, hidden=mask_hidden, preprocess=preprocess)


@model(
    InstanceSegmentation,
    variants=[
        Variant(
            "mask_rcnn_squeezenet_fpn",
            "Mask R-CNN (He et al., 2017) on a feature pyramid of SqueezeNet 1.0, for small images.",
            {"backbone": "squeezenet"},
        ),
        Variant(
            "mask_rcnn_mobilenet_v3_large_fpn",
            "Mask R-CNN (He et al., 2017) on a feature pyramid of MobileNetV3 large, for small images.",
            {"backbone": "mobilenet_v3_large"},
        ),
    ],
    any_backbone="mask_rcnn_{backbone}_fpn",
)
def mask_rcnn_fpn(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 320,
    channels: int = 128,
    hidden: int = 512,
    mask_hidden: int = 256,
    anchor_scale: float = 2.0,
    count: int = 128,
    max_boxes: int = 100,
    min_score: float = 0.05,
    frozen_norms: bool = True,
    autocontrast: bool = False,
    dark_ground: bool = False,
) -> MaskRcnn:
    """Mask R-CNN (He et al., 2017) on a feature pyramid of strides 8 to 64, for small images and small batches.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels.
        channels: of the pyramid.
        hidden: width of the two hidden layers for classes and boxes.
        mask_hidden: channels of the mask head.
        anchor_scale: the smaller of the two anchor sizes of a level in strides; the larger is half an octave up.
        count: regions an image that the heads learn from.
        max_boxes: predictions an image; three times as many proposals are looked at.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.
        autocontrast: each image is stretched from black to white first, see `Letterbox`.
        dark_ground: images most of which is bright are turned to their negatives first, see `Letterbox`.
    """
    detector = faster_rcnn_fpn(
        num_classes,
        backbone=backbone,
        image_size=image_size,
        channels=channels,
        hidden=hidden,
        anchor_scale=anchor_scale,
        count=count,
        max_boxes=max_boxes,
        min_score=min_score,
        frozen_norms=frozen_norms,
    )
    preprocess = Letterbox(image_size, stride=32, autocontrast=autocontrast, dark_ground=dark_ground)
    return MaskRcnn(detector, channels, hidden=mask_hidden, preprocess=preprocess)


@model(
    InstanceSegmentation,
    weights={"coco": "torchvision:MaskRCNN_ResNet50_FPN_Weights.COCO_V1", "imagenet": IMAGENET["resnet50"]},
)
def mask_rcnn_resnet50_fpn(
    num_classes: int,
    *,
    shorter: int = 800,
    longest: int = 1333,
    min_score: float = 0.05,
    frozen_norms: bool = True,
) -> MaskRcnn:
    """Mask R-CNN (He et al., 2017) on a feature pyramid of ResNet-50, the twin of torchvision's.

    Args:
        shorter: the shorter side of the images, in pixels.
        longest: what the longer side must not exceed.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.
    """
    detector = faster_rcnn_resnet50_fpn(
        num_classes, shorter=shorter, longest=longest, min_score=min_score, frozen_norms=frozen_norms
    )
    return MaskRcnn(detector, 256)
