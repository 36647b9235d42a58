"""R-CNN (Girshick et al., 2013): every region is warped to one size and goes through the network by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.letterbox_with_proposals import LetterboxWithProposals
from zorki.data.preprocess.selective_search import SearchMode
from zorki.errors import RecipeError
from zorki.nn.backbones.alexnet import AlexNet, AlexNetTorchvision
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone as named_backbone
from zorki.registry import Variant, model
from zorki.tasks.detection.models.rcnn.support_vector_machines import (
    SupportVectorMachines,
    decode_svm_regions,
    svm_regions,
)
from zorki.tasks.detection.models.rcnn.warping import warp_regions
from zorki.tasks.detection.networks.detector import Detector, NmsCandidates
from zorki.tasks.detection.networks.precomputed_proposals import (
    LEDGER_REGIONS,
    PROPOSAL_DEFAULTS,
    DecodeFunction,
    ExportedProposalDetector,
    ProposalOutputs,
    proposal_candidates,
    proposal_head,
    proposal_settings_on,
    region_inputs,
    regions_of,
)
from zorki.tasks.detection.networks.region_heads import hidden_published
from zorki.tasks.detection.networks.regions import decode_regions, region_losses, sample_regions
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes, ImagesWithProposals
from zorki.weights.weight_map import WeightMap

ClassifierKind = Literal["softmax", "svm"]

# Windows that go through the network at once when an image is searched for objects.
_CHUNK = 128

# The logistic function of a margin of -1, where a negative costs nothing: what lies below is no candidate.
_MIN_MARGIN_SCORE = 1 / (1 + math.e)


class Rcnn(Detector[ProposalOutputs]):
    """A classification network on warped regions, with support vector machines or a softmax, and boxes a class.

    With "softmax" the network is fine-tuned as in section 2.3: `count` windows a batch, a quarter positive (IoU from
    0.5), and boxes are learned jointly, where the paper regresses them afterwards on the last convolutions' features
    (appendix C), and the softmax is thrown away.

    With "svm" the backbone and the hidden layers stay as they are loaded, so start from the run of a softmax, and on
    the second hidden layer one linear machine a class is fitted to the ground truth boxes against regions of IoU below
    0.3 with the class (section 2.3, appendix B). The paper fits them and the boxes' regressions by solvers over all
    features on disk; here both go down the gradient, batch after batch, see `SupportVectorMachines`.

    Args:
        backbone: see `Detector`, as for `settings`.
        window: side of the warped regions, in pixels.
        grid: to which the last map is pooled for the hidden layers.
        hidden: width of the two hidden layers.
        dropout: behind each of them.
        norm: in the hidden layers, see `HiddenLayers`.
        count: windows a batch that learn, shared among its images.
        classifier: "softmax" or "svm".
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        num_classes: int,
        window: int = 227,
        grid: int = 6,
        hidden: int = 4096,
        dropout: float = 0.0,
        norm: bool = True,
        count: int = 128,
        classifier: ClassifierKind = "softmax",
        settings: dict[str, Any],
    ) -> None:
        super().__init__(backbone, num_classes=num_classes, min_score=0.05, max_iou=0.3, max_boxes=100, **settings)
        if classifier not in ("softmax", "svm"):
            raise RecipeError(f"classifier must be 'softmax' or 'svm', not {classifier!r}")
        backbone.check_size(window, "R-CNN")
        self.window, self.count = window, count
        self.pool = nn.AdaptiveAvgPool2d(grid)
        features = backbone.channels[-1] * grid**2
        self.head = proposal_head(features, num_classes, hidden=hidden, dropout=dropout, norm=norm)
        self.machines: SupportVectorMachines | None = None
        if classifier == "svm":
            self.machines = SupportVectorMachines(hidden, num_classes)
            self.min_score = _MIN_MARGIN_SCORE
            for part in (backbone, self.head.trunk, self.head.logits):
                part.requires_grad_(False)

    @property
    def fixed_parts(self) -> Sequence[str]:
        """What support vector machines read, which learn in its place."""
        return () if self.machines is None else ("head.trunk.", "head.logits.")

    def forward(self, inputs: ImagesWithProposals) -> ProposalOutputs:
        """The normalized images; `loss` and `candidates` warp and classify regions, each its own."""
        height, width = (int(side) for side in inputs.shape[-2:])
        return ProposalOutputs([self.normalize(inputs.images)], regions_of(inputs), height, width)

    def trace(self, images: Num[Tensor, "B C H W"]) -> None:
        """The whole network on `LEDGER_REGIONS` windows; see `Traces`."""
        x = self.normalize(images)
        windows = x.new_empty(LEDGER_REGIONS, x.shape[1], self.window, self.window)
        self.head(self.pool(self.backbone(windows)[-1]))

    def hidden(
        self, outputs: ProposalOutputs, regions: Float[Tensor, "N 4"], images: Int[Tensor, " N"]
    ) -> Float[Tensor, "N D"]:
        """What the last layers read of each region."""
        windows = warp_regions(outputs.maps[0], regions, images, self.window)
        windows = windows.contiguous(memory_format=torch.channels_last)
        with torch.set_grad_enabled(self.machines is None and torch.is_grad_enabled()):
            return self.head.trunk(self.pool(self.backbone(windows)[-1]))

    def classify_regions(
        self, outputs: ProposalOutputs, regions: Float[Tensor, "N 4"], images: Int[Tensor, " N"]
    ) -> tuple[Float[Tensor, "N _"], Float[Tensor, "N _"]]:
        """Logits (K + 1, or K margins of machines) and offsets of regions."""
        x = self.hidden(outputs, regions, images)
        return self.head.logits(x) if self.machines is None else self.machines(x), self.head.offsets(x)

    def loss(self, outputs: ProposalOutputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Cross entropy, or the machines' hinge loss, and smooth L1 of the boxes of sampled regions."""
        sampled = sample_regions(
            outputs.regions,
            targets,
            num_classes=self.num_classes,
            count=math.ceil(self.count / len(targets)),
        )
        if self.machines is None:
            return region_losses(*self.classify_regions(outputs, sampled.regions, sampled.images), sampled)
        regions, images, signs = svm_regions(sampled, targets, self.num_classes)
        x = self.hidden(outputs, regions, images)
        learned = x[: len(sampled)]
        losses = region_losses(self.head.logits(learned), self.head.offsets(learned), sampled)
        return {"classes": self.machines.loss(x, signs), "boxes": losses["boxes"]}

    def candidates(self, outputs: ProposalOutputs) -> NmsCandidates:
        """A box a class of every region."""
        return proposal_candidates(
            outputs,
            lambda rows, owners: self.classify_regions(outputs, rows, owners),
            chunk=_CHUNK,
            decode=self._decode_regions,
        )

    def export_network(self) -> nn.Module:
        return ExportedProposalDetector(self, self.classify_regions, self._decode_regions)

    def export_inputs(self, height: int, width: int) -> dict[str, Tensor]:
        return region_inputs(height, width)

    @property
    def _decode_regions(self) -> DecodeFunction:
        """By the softmax, or by the machines' margins."""
        return decode_regions if self.machines is None else decode_svm_regions

    def train(self, mode: bool = True) -> Rcnn:
        super().train(mode)
        if self.machines is not None:
            self.backbone.eval()  # its statistics stay as well
            self.head.eval()
        return self


@model(
    Detection,
    variants=[
        Variant("rcnn_squeezenet", "R-CNN (Girshick et al., 2013) on SqueezeNet 1.0.", {"backbone": "squeezenet"}),
        Variant(
            "rcnn_mobilenet_v3_small",
            "R-CNN (Girshick et al., 2013) on MobileNetV3-Small.",
            {"backbone": "mobilenet_v3_small"},
        ),
    ],
    any_backbone="rcnn_{backbone}",
)
def rcnn(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 320,
    window: int = 0,
    proposals: int = 2000,
    search: SearchMode = "fast",
    hidden: int = 512,
    classifier: ClassifierKind = "softmax",
) -> Rcnn:
    """R-CNN (Girshick et al., 2013) with windows of about a third of `image_size`, if not said otherwise."""
    return Rcnn(
        named_backbone(backbone),
        num_classes=num_classes,
        # The paper's 227 are enlarged from objects in images of 500; nothing is won by enlarging ours as much.
        window=window or max(32, 16 * math.ceil(image_size / 48)),
        grid=3,
        hidden=hidden,
        classifier=classifier,
        settings=proposal_settings_on(backbone, LetterboxWithProposals(image_size, proposals=proposals, mode=search)),
    )


@model(
    Detection,
    variants=[
        Variant(
            "rcnn_alexnet",
            "R-CNN (Girshick et al., 2013) as in the paper: windows of 227 pixels, AlexNet of 2012.",
            {"network": AlexNet},
            weights={},
        ),
        Variant(
            "rcnn_alexnet_torchvision",
            "R-CNN (Girshick et al., 2013) on AlexNet as torchvision publishes it, fully connected layers included.",
            {"network": AlexNetTorchvision},
            weights={"imagenet": "torchvision:AlexNet_Weights.IMAGENET1K_V1"},
        ),
    ],
)
def rcnn_with_hidden_layers(
    num_classes: int,
    *,
    network: Callable[[], Backbone],
    image_size: int = 500,
    proposals: int = 2000,
    search: SearchMode = "fast",
    hidden: int = 4096,
    dropout: float = 0.5,
    classifier: ClassifierKind = "softmax",
) -> Rcnn:
    """R-CNN (Girshick et al., 2013) on a network and its two hidden layers."""
    return Rcnn(
        network(),
        num_classes=num_classes,
        hidden=hidden,
        dropout=dropout,
        norm=False,
        classifier=classifier,
        settings={
            "preprocess": LetterboxWithProposals(image_size, proposals=proposals, mode=search),
            "weight_map": WeightMap(hidden_published("classifier.1", "classifier.4")),
            # Without norms, larger learning rates diverge.
            "defaults": PROPOSAL_DEFAULTS | TrainingDefaults(lr=1e-4, finetune_lr=1e-4),
        },
    )
