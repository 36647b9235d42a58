"""SPP-net (He et al., 2014): R-CNN whose convolutions run once an image, with pyramids of pools on its regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.letterbox_with_proposals import LetterboxWithProposals
from zorki.data.preprocess.selective_search import SearchMode
from zorki.nn.backbones.alexnet import AlexNetTorchvision
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone as named_backbone
from zorki.nn.necks.one_map import drop_later_maps
from zorki.ops.roi import prepare_maps
from zorki.registry import Variant, model
from zorki.tasks.detection.models.sppnet.spatial_pyramid_pooling import SpatialPyramidPool
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
from zorki.tasks.detection.networks.region_heads import first_cell, grid_of
from zorki.tasks.detection.networks.regions import region_losses, sample_regions
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes, ImagesWithProposals


class SppNet(Detector[ProposalOutputs]):
    """The deepest map of stride 16, a spatial pyramid of pools on each region, two hidden layers, classes and boxes.

    As in section 4.1 the convolutions stay as they are loaded, and the layers above are tuned: on the regions of a
    softmax with background. The paper then fits support vector machines and a regression of boxes to the hidden
    layer, one after the other; here the layers predict both themselves, trained together. It reads five scales of an
    image, this one. Regions are read from the cells that look at them: what the paper gets by padding every layer
    (appendix A), this one by where each map's first cell lies, see `grid_of`.

    Args:
        backbone: see `Detector`, as for `settings`.
        levels: of the pyramid.
        hidden: width of the two hidden layers.
        dropout: behind each of them.
        norm: in the hidden layers, see `HiddenLayers`.
        count: regions an image that learn, a quarter of them positive.
        tune_backbone: trains the convolutions too, up to the map that is read.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        num_classes: int,
        levels: Sequence[int] = (1, 2, 3, 6),
        hidden: int = 1024,
        dropout: float = 0.0,
        norm: bool = True,
        count: int = 64,
        tune_backbone: bool = False,
        settings: dict[str, Any],
    ) -> None:
        super().__init__(backbone, num_classes=num_classes, min_score=0.05, max_iou=0.3, max_boxes=100, **settings)
        self.tap = map_of_stride(backbone, 16)
        drop_later_maps(backbone, self.tap)
        self.grid = grid_of(backbone)
        self.stride = backbone.strides[self.tap]
        self.tune_backbone = tune_backbone
        self.count = count
        self.pool = SpatialPyramidPool(levels)
        features = backbone.channels[self.tap] * self.pool.bins
        self.head = proposal_head(features, num_classes, hidden=hidden, dropout=dropout, norm=norm)
        parts = backbone.stages()
        behind = parts[self.tap + 1 :] if len(parts) >= len(backbone.strides) - 1 else []
        for part in behind if tune_backbone else [backbone]:
            part.requires_grad_(False)

    def forward(self, inputs: ImagesWithProposals) -> ProposalOutputs:
        """The feature map of the images; regions are classified by `loss` and `candidates`, since they want others."""
        height, width = (int(side) for side in inputs.shape[-2:])
        with torch.set_grad_enabled(self.tune_backbone and torch.is_grad_enabled()):
            features = self.backbone(self.normalize(inputs.images))[self.tap]
        return ProposalOutputs([features], regions_of(inputs), height, width)

    def trace(self, images: Num[Tensor, "B C H W"]) -> None:
        """The map, and the head on `LEDGER_REGIONS` regions; see `Traces`."""
        features = self.backbone(self.normalize(images))[self.tap]
        self.head(features.new_empty(LEDGER_REGIONS, features.shape[1] * self.pool.bins))

    def classify_regions(
        self, outputs: ProposalOutputs, regions: Float[Tensor, "N 4"], images: Int[Tensor, " N"]
    ) -> tuple[Float[Tensor, "N S"], Float[Tensor, "N _"]]:
        """Logits and offsets of regions."""
        # Lower precision would move the regions, not only what is read there.
        features = outputs.maps[0].float()
        size = (outputs.height, outputs.width)
        start = first_cell(features, self.stride, size) if self.grid == "centered" else (0.0, 0.0)
        return self.head(self.pool(features, self.stride, regions, images, start=start))

    def loss(self, outputs: ProposalOutputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Cross entropy and smooth L1 of sampled regions."""
        sampled = sample_regions(outputs.regions, targets, num_classes=self.num_classes, count=self.count)
        logits, offsets = self.classify_regions(outputs, sampled.regions, sampled.images)
        return region_losses(logits, offsets, sampled)

    def candidates(self, outputs: ProposalOutputs) -> NmsCandidates:
        """A box a class of every region."""
        ready = replace(outputs, maps=prepare_maps(outputs.maps, kind="pool"))
        return proposal_candidates(ready, lambda rows, owners: self.classify_regions(ready, rows, owners), chunk=256)

    def export_network(self) -> nn.Module:
        return ExportedProposalDetector(self, self.classify_regions)

    def export_inputs(self, height: int, width: int) -> dict[str, Tensor]:
        return region_inputs(height, width)

    def train(self, mode: bool = True) -> SppNet:
        super().train(mode)
        if not self.tune_backbone:
            self.backbone.eval()  # its statistics stay too
        return self


@model(
    Detection,
    variants=[
        Variant(
            "sppnet_squeezenet",
            "SPP-net (He et al., 2014) on SqueezeNet 1.0; its convolutions stay as loaded: give it --weights imagenet.",
            {"backbone": "squeezenet"},
        ),
    ],
    any_backbone="sppnet_{backbone}",
)
def sppnet(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 320,
    proposals: int = 2000,
    search: SearchMode = "fast",
    hidden: int = 512,
    tune_backbone: bool = False,
) -> SppNet:
    """SPP-net (He et al., 2014); its convolutions stay as loaded, so give it --weights imagenet."""
    return SppNet(
        named_backbone(backbone),
        num_classes=num_classes,
        hidden=hidden,
        tune_backbone=tune_backbone,
        settings=proposal_settings_on(backbone, LetterboxWithProposals(image_size, proposals=proposals, mode=search)),
    )


@model(Detection, weights={"imagenet": "torchvision:AlexNet_Weights.IMAGENET1K_V1"})
def sppnet_alexnet(
    num_classes: int,
    *,
    image_size: int = 688,
    proposals: int = 2000,
    search: SearchMode = "fast",
    hidden: int = 4096,
    dropout: float = 0.5,
    tune_backbone: bool = False,
) -> SppNet:
    """SPP-net (He et al., 2014) on AlexNet's convolutions, near the paper's ZF-5: give it --weights imagenet.

    The longer side is scaled to `image_size`; the paper's single scale has 688 for the shorter.
    """
    return SppNet(
        AlexNetTorchvision(),
        num_classes=num_classes,
        hidden=hidden,
        dropout=dropout,
        tune_backbone=tune_backbone,
        settings={
            "preprocess": LetterboxWithProposals(
                image_size, proposals=proposals, mode=search, search_size=min(image_size, 500)
            ),
            # Without norms, larger rates send it off.
            "defaults": PROPOSAL_DEFAULTS | TrainingDefaults(lr=1e-4, finetune_lr=1e-4),
        },
    )
