"""Fast R-CNN (Girshick, 2015): convolutions once an image, regions cut out of the map, one loss for all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.letterbox_with_proposals import LetterboxWithProposals
from zorki.data.preprocess.selective_search import SearchMode
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone as named_backbone
from zorki.nn.backbones.named import backbone_weights
from zorki.nn.backbones.vgg import Vgg
from zorki.nn.necks.fpn import FeaturePyramid
from zorki.nn.necks.one_map import OneMap, drop_later_maps
from zorki.ops.roi import prepare_maps
from zorki.registry import Variant, model
from zorki.tasks.detection.networks.detector import Detector, NmsCandidates
from zorki.tasks.detection.networks.precomputed_proposals import (
    LEDGER_REGIONS,
    PROPOSAL_DEFAULTS,
    ExportedProposalDetector,
    ProposalOutputs,
    map_of_stride,
    proposal_candidates,
    proposal_head,
    proposal_settings_on,
    region_inputs,
    regions_of,
)
from zorki.tasks.detection.networks.region_heads import grid_of, hidden_published
from zorki.tasks.detection.networks.regions import region_losses, sample_regions
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes, ImagesWithProposals
from zorki.weights.weight_map import WeightMap

# Regions classified at once: more do not run faster, and their features no longer fit into a processor's cache.
_CHUNK = 512


class FastRcnn(Detector[ProposalOutputs]):
    """One pass over the image; each region's features, two hidden layers, classes and boxes.

    On one map the features are the maximum of each bin of a region (RoI pooling, section 2.1): the paper's way. On a
    feature pyramid, which came later, they are read without rounding (RoIAlign: He et al., 2017, section 3) from the
    map that fits the region's size (Lin et al., 2017, section 4.2).

    Training learns from `count` random regions an image, a quarter of them positive (section 2.3), by the joint loss
    of equation 1. Smooth L1 turns at 1/9 and not at 1, see `zorki.tasks.detection.networks.regions`. Layers of the
    backbone that no feature map needs are left out.

    Args:
        backbone: see `Detector`, as for `settings`.
        neck: from the backbone's maps to those that regions are read from, with their strides.
        home_size: side of the regions that are read from a pyramid's map of stride 16, see `pyramid_levels`.
        bins: along each side of a region: 6 for AlexNet, 7 for VGG.
        grid: where the cells of the maps lie, see `RegionHead`.
        hidden: width of the two hidden layers.
        dropout: behind each of them.
        norm: in the hidden layers, see `HiddenLayers`.
        count: regions an image that learn.
        background_iou: overlap from which on a region can be background; 0.1 in the paper, which leaves the easy ones
            out. Many small objects in one image want 0: most of its background touches none of them.
    """

    def __init__(
        self,
        backbone: Backbone,
        neck: FeaturePyramid | OneMap,
        *,
        num_classes: int,
        home_size: float = 224,
        bins: int = 7,
        grid: Literal["centered", "corner"] = "centered",
        hidden: int = 1024,
        dropout: float = 0.0,
        norm: bool = True,
        count: int = 64,
        background_iou: float = 0.0,
        settings: dict[str, Any],
    ) -> None:
        super().__init__(backbone, num_classes=num_classes, min_score=0.05, max_iou=0.3, max_boxes=100, **settings)
        self.neck = neck
        drop_later_maps(backbone, max(neck.taps) if isinstance(neck, FeaturePyramid) else neck.tap)
        self.count, self.background_iou = count, background_iou
        self.head = proposal_head(
            neck.channels * bins**2,
            num_classes,
            hidden=hidden,
            dropout=dropout,
            norm=norm,
            strides=neck.strides,
            size=(bins, bins),
            kind="align" if isinstance(neck, FeaturePyramid) else "pool",
            home_size=home_size,
            grid=grid,
        )

    def forward(self, inputs: ImagesWithProposals) -> ProposalOutputs:
        """Feature maps of the images; regions are classified by `loss` and `candidates`, since they want others."""
        height, width = (int(side) for side in inputs.shape[-2:])
        maps = self.neck(self.backbone(self.normalize(inputs.images)))
        return ProposalOutputs(maps, regions_of(inputs), height, width)

    def trace(self, images: Num[Tensor, "B C H W"]) -> None:
        """The maps, and the head on `LEDGER_REGIONS` regions; see `Traces`."""
        maps = self.neck(self.backbone(self.normalize(images)))
        self.head(maps[0].new_empty(LEDGER_REGIONS, maps[0].shape[1], *self.head.size))

    def classify_regions(
        self, outputs: ProposalOutputs, regions: Float[Tensor, "N 4"], images: Int[Tensor, " N"]
    ) -> tuple[Float[Tensor, "N S"], Float[Tensor, "N _"]]:
        """Logits and offsets of regions."""
        return self.head(self.head.pool(outputs.maps, regions, images, (outputs.height, outputs.width)))

    def loss(self, outputs: ProposalOutputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Cross entropy and smooth L1 of sampled regions (section 2.3)."""
        sampled = sample_regions(
            outputs.regions,
            targets,
            num_classes=self.num_classes,
            count=self.count,
            background_iou=(self.background_iou, 0.5),
        )
        logits, offsets = self.classify_regions(outputs, sampled.regions, sampled.images)
        return region_losses(logits, offsets, sampled)

    def expected_losses(self, outputs: ProposalOutputs, targets: Sequence[Boxes]) -> dict[str, float]:
        """The logarithm of K classes and background, equally likely."""
        return {"classes": math.log(self.num_classes + 1)}

    def candidates(self, outputs: ProposalOutputs) -> NmsCandidates:
        """A box a class of every region."""
        ready = replace(outputs, maps=prepare_maps(outputs.maps, kind=self.head.kind))
        return proposal_candidates(ready, lambda rows, owners: self.classify_regions(ready, rows, owners), chunk=_CHUNK)

    def export_network(self) -> nn.Module:
        return ExportedProposalDetector(self, self.classify_regions)

    def export_inputs(self, height: int, width: int) -> dict[str, Tensor]:
        return region_inputs(height, width)


_ONE_MAP = "`pyramid=False`: on one map, as the paper"


@model(
    Detection,
    variants=[
        Variant(
            "fast_rcnn_squeezenet",
            f"Fast R-CNN (Girshick, 2015) on a feature pyramid of SqueezeNet 1.0; {_ONE_MAP}.",
            {"backbone": "squeezenet"},
        ),
        Variant(
            "fast_rcnn_mobilenet_v3_large",
            f"Fast R-CNN (Girshick, 2015) on a feature pyramid of MobileNetV3-Large; {_ONE_MAP}.",
            {"backbone": "mobilenet_v3_large"},
        ),
    ],
    any_backbone="fast_rcnn_{backbone}",
)
def fast_rcnn(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 320,
    proposals: int = 2000,
    search: SearchMode = "fast",
    hidden: int = 512,
    pyramid: bool = True,
) -> FastRcnn:
    """Fast R-CNN (Girshick, 2015) on a feature pyramid (Lin et al., 2017); `pyramid=False`: on one map, as the paper.

    Args:
        image_size: of the longer side of the images, in pixels.
        proposals: regions an image, at most.
        search: of selective search.
        hidden: width of the two hidden layers.
        pyramid: True reads regions by RoIAlign (He et al., 2017, section 3) from maps of strides 4, 8 and 16, each
            region from that of its size (Lin et al., 2017, section 4.2), which the paper does not: an object of 20
            pixels is a single cell of stride 16, so that 7x7 bins hold one number. False takes the maximum of 7x7
            bins (RoI pooling, section 2.1) of the deepest map that is no coarser than 16 pixels. Both have layer
            norms in the hidden layers, which the paper has not.
    """
    network = named_backbone(backbone)
    neck = FeaturePyramid(network, (4, 8, 16), 128) if pyramid else OneMap(network, _one_stride(network))
    return FastRcnn(
        network,
        neck,
        num_classes=num_classes,
        home_size=0.28 * image_size,  # the paper's 224 are for images of 800
        grid=grid_of(network),
        hidden=hidden,
        settings=proposal_settings_on(backbone, LetterboxWithProposals(image_size, proposals=proposals, mode=search)),
    )


def _one_stride(network: Backbone) -> int:
    return network.strides[map_of_stride(network, 16)]


@model(Detection, weights=backbone_weights("vgg16"))
def fast_rcnn_vgg16(
    num_classes: int,
    *,
    image_size: int = 800,
    proposals: int = 2000,
    search: SearchMode = "fast",
    dropout: float = 0.5,
) -> FastRcnn:
    """Fast R-CNN (Girshick, 2015) on VGG-16, with its fully connected layers: the paper's model L.

    The longer side is scaled to `image_size`; the paper scales the shorter to 600, and searches at the original size of
    about 500.
    """
    backbone = Vgg("D")
    # The fifth pool is left out: regions are pooled in its stead (section 2.2).
    return FastRcnn(
        backbone,
        OneMap(backbone, 16),
        num_classes=num_classes,
        grid="corner",  # as the authors' RoI pooling
        hidden=4096,
        dropout=dropout,
        norm=False,
        background_iou=0.1,
        settings={
            "preprocess": LetterboxWithProposals(
                image_size, proposals=proposals, mode=search, search_size=min(image_size, 500)
            ),
            "weight_map": WeightMap(hidden_published("classifier.0", "classifier.3")),
            # Without norms, larger rates send it off.
            "defaults": PROPOSAL_DEFAULTS | TrainingDefaults(lr=1e-4, finetune_lr=1e-4),
        },
    )
