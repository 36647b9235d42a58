"""Fast R-CNN (Girshick, 2015): convolutions once a picture, regions cut out of the map, one loss for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from jaxtyping import Float, Int, Num
from torch import Tensor

from zorki.data.proposing import Propose
from zorki.data.selective_search import SearchMode
from zorki.nn.backbone import Backbone
from zorki.nn.named import backbone as named_backbone
from zorki.nn.named import backbone_weights
from zorki.nn.pyramid import FeaturePyramid
from zorki.nn.vgg import Vgg
from zorki.ops.regions import pool_regions
from zorki.registry import model
from zorki.tasks.detection.detector import Candidates, Detector
from zorki.tasks.detection.on_any_backbone import any_backbone
from zorki.tasks.detection.proposed import (
    PROPOSED_SUGGESTIONS,
    WALKED,
    ProposedOutputs,
    RegionHead,
    head_published,
    proposed_candidates,
    regions_of,
    settings_on,
)
from zorki.tasks.detection.regions import region_losses, sample_regions
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes, Proposed

# Regions judged at once: more do not run faster, and their features no longer fit into a processor's cache.
_CHUNK = 512


class FastRcnn(Detector[ProposedOutputs]):
    """The maximum of each bin of a region (RoI pooling, section 2.1), two hidden layers, classes and boxes.

    Training learns from `count` random regions a picture, a quarter of them positive (section 2.3), by the joint loss
    of equation 1. Smooth L1 turns at 1/9 and not at 1, see `zorki.tasks.detection.regions`.

    Args:
        backbone: see `Detector`, as for `settings`.
        neck: from the backbone's maps to those that regions are read from, with their strides; None is the map of
            `stride`, as in the paper.
        stride: of that map.
        home_size: side of the regions that are read from a neck's map of stride 16, see `pyramid_levels`.
        grid: bins along each side of a region: 6 for AlexNet, 7 for VGG.
        hidden: width of the two hidden layers.
        dropout: behind each of them.
        norm: in the hidden layers, see `RegionHead`.
        count: regions a picture that learn.
        background_iou: overlap from which on a region can be background; 0.1 in the paper, which leaves the easy ones
            out. Many small objects in one picture want 0: most of its background touches none of them.
    """

    exportable = False

    def __init__(
        self,
        backbone: Backbone,
        *,
        num_classes: int,
        neck: FeaturePyramid | None = None,
        stride: int = 16,
        home_size: float = 224,
        grid: int = 7,
        hidden: int = 1024,
        dropout: float = 0.0,
        norm: bool = True,
        count: int = 64,
        background_iou: float = 0.0,
        settings: dict[str, Any],
    ) -> None:
        super().__init__(backbone, num_classes=num_classes, min_score=0.05, max_iou=0.3, max_boxes=100, **settings)
        self.neck = neck
        self.tap = len(backbone.strides) - 1 - backbone.strides[::-1].index(stride) if neck is None else -1
        self.strides = (stride,) if neck is None else neck.strides
        self.home_size = home_size
        channels = backbone.channels[self.tap] if neck is None else neck.channels
        self.grid, self.count, self.background_iou = grid, count, background_iou
        self.head = RegionHead(channels * grid**2, num_classes, hidden=hidden, dropout=dropout, norm=norm)

    def forward(self, inputs: Proposed) -> ProposedOutputs:
        """Feature maps of the pictures; regions are judged by `loss` and `candidates`, since they want others."""
        height, width = (int(side) for side in inputs.shape[-2:])
        maps = self.backbone(self.normalise(inputs.images))
        maps = [maps[self.tap]] if self.neck is None else self.neck(maps)
        return ProposedOutputs(maps, regions_of(inputs), height, width)

    def walk(self, pictures: Num[Tensor, "B C H W"]) -> None:
        """The maps, and the head on `WALKED` regions; see `Model.walk`."""
        maps = self.backbone(self.normalise(pictures))
        maps = [maps[self.tap]] if self.neck is None else self.neck(maps)
        self.head(maps[0].new_empty(WALKED, maps[0].shape[1], self.grid, self.grid))

    def judge(
        self, outputs: ProposedOutputs, regions: Float[Tensor, "N 4"], pictures: Int[Tensor, " N"]
    ) -> tuple[Float[Tensor, "N S"], Float[Tensor, "N _"]]:
        """Logits and offsets of regions."""
        # Lower precision would move the regions, not only what is read there.
        maps = [features.float() for features in outputs.maps]
        kind: Literal["align", "pool"] = "align" if self.neck else "pool"
        size = (self.grid, self.grid)
        pooled = pool_regions(maps, self.strides, regions, pictures, size, kind=kind, home_size=self.home_size)
        return self.head(pooled)

    def loss(self, outputs: ProposedOutputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Cross entropy and smooth L1 of sampled regions (section 2.3)."""
        sampled = sample_regions(
            outputs.regions,
            targets,
            num_classes=self.num_classes,
            count=self.count,
            background_iou=(self.background_iou, 0.5),
        )
        logits, offsets = self.judge(outputs, sampled.regions, sampled.pictures)
        return region_losses(logits, offsets, sampled)

    def candidates(self, outputs: ProposedOutputs) -> Candidates:
        """A box a class of every region."""
        return proposed_candidates(outputs, lambda rows, owners: self.judge(outputs, rows, owners), chunk=_CHUNK)


def fast_rcnn(
    num_classes: int,
    *,
    backbone: str,
    size: int = 320,
    proposals: int = 2000,
    search: SearchMode = "fast",
    hidden: int = 512,
) -> FastRcnn:
    """Fast R-CNN (Girshick, 2015) on a feature pyramid (Lin et al., 2017, section 4.2)."""
    network = named_backbone(backbone)
    return FastRcnn(
        network,
        num_classes=num_classes,
        neck=FeaturePyramid(network, (4, 8, 16), 128),
        home_size=0.28 * size,  # the paper's 224 are for pictures of 800
        hidden=hidden,
        settings=settings_on(backbone, Propose(size, proposals=proposals, mode=search)),
    )


@model(Detection, weights=backbone_weights("squeezenet"))
def fast_rcnn_squeezenet(
    num_classes: int,
    *,
    size: int = 320,
    proposals: int = 2000,
    search: SearchMode = "fast",
    hidden: int = 512,
) -> FastRcnn:
    """Fast R-CNN (Girshick, 2015) on a feature pyramid of SqueezeNet 1.0."""
    return fast_rcnn(
        num_classes,
        backbone="squeezenet",
        size=size,
        proposals=proposals,
        search=search,
        hidden=hidden,
    )


@model(Detection, weights=backbone_weights("mobilenet_v3_large"))
def fast_rcnn_mobilenet_v3_large(
    num_classes: int,
    *,
    size: int = 320,
    proposals: int = 2000,
    search: SearchMode = "fast",
    hidden: int = 512,
) -> FastRcnn:
    """Fast R-CNN (Girshick, 2015) on a feature pyramid of MobileNetV3-Large."""
    return fast_rcnn(
        num_classes,
        backbone="mobilenet_v3_large",
        size=size,
        proposals=proposals,
        search=search,
        hidden=hidden,
    )


@model(Detection, weights=backbone_weights("vgg16"))
def fast_rcnn_vgg16(
    num_classes: int,
    *,
    size: int = 800,
    proposals: int = 2000,
    search: SearchMode = "fast",
    dropout: float = 0.5,
) -> FastRcnn:
    """Fast R-CNN (Girshick, 2015) on VGG-16, with its fully connected layers: the paper's model L.

    The longer side is scaled to `size`; the paper scales the shorter to 600, and searches at the original size of
    about 500.
    """
    backbone = Vgg("D")
    # The fifth pool is left out: regions are pooled in its stead (section 2.2).
    return FastRcnn(
        backbone,
        num_classes=num_classes,
        grid=7,
        hidden=4096,
        dropout=dropout,
        norm=False,
        background_iou=0.1,
        settings={
            "preprocess": Propose(size, proposals=proposals, mode=search, search_size=min(size, 500)),
            "published": head_published("classifier.0", "classifier.3"),
            # Without norms, larger rates send it off.
            "suggestions": {**PROPOSED_SUGGESTIONS, "rate": 1e-4, "tuned_rate": 1e-4},
        },
    )


any_backbone("fast_rcnn_", fast_rcnn)
