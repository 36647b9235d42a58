"""DETR (Carion et al., 2020: End-to-End Object Detection with Transformers): a set of boxes, and no suppression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.shortest_edge import ShortestEdge
from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import IMAGENET
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.ops.boxes import cxcywh_to_xyxy
from zorki.registry import Variant, model
from zorki.tasks.detection.models.detr.canvas_tokens import canvas_tokens, pixels_of, shares_of
from zorki.tasks.detection.models.detr.set_loss import Classes, SetLoss, last_and_auxiliary
from zorki.tasks.detection.models.detr.transformer import Transformer
from zorki.tasks.detection.networks.coco_category_ids import accept_coco_slots
from zorki.tasks.detection.networks.dense_heads import best_classes, take_rows
from zorki.tasks.detection.networks.detector import Detector, NmsCandidates, settings_on
from zorki.tasks.detection.networks.target_assignment import stack_ground_truths
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes, Padded
from zorki.weights.weight_map import WeightMap

Ranking = Literal["query", "pair"]


@dataclass
class DetrOutputs:
    """The outputs of each query after each of the L decoder layers, last layer last."""

    logits: Float[Tensor, "L B Q S"]  # S = K + 1 with "no object" last, or K where the class loss is a focal one
    boxes: Float[Tensor, "L B Q 4"]  # cxcywh in shares of the image
    frames: Float[Tensor, "B 4"]  # xyxy: where the image lies on the canvas


for _kind in (DetrOutputs, Padded):
    torch.export.register_dataclass(_kind)


class Detr(Detector[DetrOutputs]):
    """A backbone's last map, read by a transformer whose queries predict one object each, or none.

    The canvas around an image is zero for the backbone, hidden from attention, and boxes are shares of the image
    alone, all as in the authors' code. Where the canvas is comes with the images, see `Padded`.

    Args:
        backbone: makes features; the last map is used.
        transformer: encoder and decoder.
        queries: Q, the most boxes that can be predicted.
        classes: "softmax" over the classes and "no object", as in the paper, or "focal"; see `SetLoss`.
        ranking: "query" takes the best class of every query, as in the paper; "pair" the 100 best pairs of query
            and class, as later methods do, where a query may predict more than one class.
        settings: of the `Detector`.
    """

    takes_padded = True

    def __init__(
        self,
        backbone: Backbone,
        transformer: Transformer,
        *,
        num_classes: int,
        queries: int,
        width: int,
        classes: Classes = "softmax",
        ranking: Ranking = "query",
        settings: dict[str, Any],
    ) -> None:
        super().__init__(backbone, num_classes=num_classes, max_iou=None, max_boxes=max(100, queries), **settings)
        _check_word("classes", classes, ("softmax", "focal"))
        _check_word("ranking", ranking, ("query", "pair"))
        self.classes, self.ranking = classes, ranking
        self.set_loss = SetLoss(num_classes, classes)
        self.project = nn.Conv2d(backbone.channels[-1], width, 1)
        self.transformer = transformer
        self.queries = nn.Embedding(queries, width)
        slots = num_classes + (classes == "softmax")
        self.class_output = nn.Linear(width, slots)
        if classes == "softmax":
            accept_coco_slots(self.class_output, num_classes, nothing="last")
        else:
            nn.init.constant_(self.class_output.bias, -4.6)  # 1 %: almost every query predicts no object
        self.box_output = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4)
        )

    def forward(self, inputs: Padded | Num[Tensor, "B C H W"]) -> DetrOutputs:
        """Raw outputs for uint8 images; bare ones are without a canvas."""
        tokens = canvas_tokens(inputs, self.normalize, lambda pixels: self.project(self.backbone(pixels)[-1]))
        predictions = self.transformer(tokens.features, tokens.positions, self.queries.weight, tokens.mask)
        boxes = self.box_output(predictions).float().sigmoid()
        return DetrOutputs(self.class_output(predictions), boxes, tokens.frames)

    def loss(self, outputs: DetrOutputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Classes, distance (L1) and overlap (GIoU) of the last layer, and the sum of those of the layers before it.

        See `SetLoss`; layers before the last are the auxiliary losses of section 3.2.
        """
        ground_truths = stack_ground_truths(targets, outputs.logits.device)
        target_boxes = shares_of(ground_truths.xyxy, outputs.frames)
        losses = self.set_loss(outputs.logits.float(), outputs.boxes.float(), target_boxes, ground_truths)
        if len(outputs.logits) == 1:
            return {name: layers[-1] for name, layers in losses.items()}
        return last_and_auxiliary(losses)

    def expected_losses(self, outputs: DetrOutputs, targets: Sequence[Boxes]) -> dict[str, float]:
        """The logarithm of K classes and none, equally likely; the focal loss hangs on how queries are matched."""
        return {"classes": math.log(self.num_classes + 1)} if self.classes == "softmax" else {}

    def candidates(self, outputs: DetrOutputs) -> NmsCandidates:
        """The last layer's predictions: a box for each query, or the 100 best pairs of query and class."""
        logits = outputs.logits[-1].float()
        scores = logits.softmax(-1)[..., :-1] if self.classes == "softmax" else logits.sigmoid()
        xyxy = pixels_of(cxcywh_to_xyxy(outputs.boxes[-1].float()), outputs.frames)
        if self.ranking == "query":
            best, labels = scores.max(-1)
            return NmsCandidates(xyxy, best, labels)
        best, query, labels = best_classes(scores, 100)
        return NmsCandidates(take_rows(xyxy, query), best, labels)


def _check_word(name: str, word: str, choices: Sequence[str]) -> None:
    if word not in choices:
        raise RecipeError(f"{name} must be {' or '.join(choices)}, not {word!r}")


@model(
    Detection,
    variants=[
        Variant(
            "detr_squeezenet",
            "DETR (Carion et al., 2020) on SqueezeNet 1.0, with a small transformer, for small images.",
            {"backbone": "squeezenet"},
        ),
    ],
    any_backbone="detr_{backbone}",
)
def detr(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 320,
    queries: int = 100,
    width: int = 192,
    layers: int = 3,
    dropout: float = 0.0,
    pre_norm: bool = True,
    classes: Classes = "softmax",
    ranking: Ranking = "query",
    min_score: float = 0.0,
    frozen_norms: bool = True,
) -> Detr:
    """DETR (Carion et al., 2020), smaller than the paper's, for small images.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels.
        queries: the most boxes that can be predicted.
        width: of the transformer, a multiple of 32; each head has 32.
        layers: of the encoder, and as many of the decoder.
        dropout: of the transformer; the paper's 0.1 is for hundreds of epochs.
        pre_norm: norms stand before attention and perceptron. The paper's order, False, stays much longer where all
            queries predict alike.
        classes: "softmax", or "focal"; see `SetLoss`.
        ranking: "query" or "pair"; see `Detr`.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.

    Raises:
        RecipeError: there is no such backbone, or a width or a word is not among those named.
    """
    if width < 32 or width % 32:
        raise RecipeError(f"the width of DETR's transformer must be a multiple of 32, not {width}")
    return Detr(
        backbone_named(backbone),
        Transformer(width, width // 32, 4 * width, encoder=layers, decoder=layers, dropout=dropout, pre_norm=pre_norm),
        num_classes=num_classes,
        queries=queries,
        width=width,
        classes=classes,
        ranking=ranking,
        settings={
            **settings_on(backbone, Letterbox(image_size, stride=32, padded=True)),
            "min_score": min_score,
            "frozen_norms": frozen_norms,
            "defaults": TrainingDefaults(lr=3e-4, finetune_lr=3e-4, clip_grad=0.1, warmup_epochs=1.0),
        },
    )


# The authors' names (facebookresearch/detr) in ours; the transformer's are the same.
_PUBLISHED = {
    "backbone.0.body.": "backbone.",
    "input_proj.": "project.",
    "query_embed.": "queries.",
    "class_embed.": "class_output.",
    **{f"bbox_embed.layers.{index}.": f"box_output.{2 * index}." for index in range(3)},
}


@model(
    Detection,
    weights={"coco": "https://dl.fbaipublicfiles.com/detr/detr-r50-e632da11.pth", "imagenet": IMAGENET["resnet50"]},
)
def detr_resnet50(
    num_classes: int,
    *,
    shorter: int = 800,
    longest: int = 1333,
    queries: int = 100,
    dropout: float = 0.1,
    classes: Classes = "softmax",
    ranking: Ranking = "query",
    min_score: float = 0.0,
    frozen_norms: bool = True,
) -> Detr:
    """DETR (Carion et al., 2020) on ResNet-50, as published: 6 + 6 layers of width 256, 41 million parameters.

    For 91 classes labels are COCO's numbers, as the published weights count them; for 80 they are COCO's classes in
    order.

    Args:
        shorter: the shorter side of the images, in pixels.
        longest: what the longer side must not exceed.
        queries: the most boxes that can be predicted.
        dropout: of the transformer.
        classes: "softmax", or "focal"; see `SetLoss`.
        ranking: "query" or "pair"; see `Detr`.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.
    """
    return Detr(
        backbone_named("resnet50"),
        Transformer(dropout=dropout),
        num_classes=num_classes,
        queries=queries,
        width=256,
        classes=classes,
        ranking=ranking,
        settings={
            "preprocess": ShortestEdge(shorter, longest, padded=True),
            "min_score": min_score,
            "frozen_norms": frozen_norms,
            "weight_map": WeightMap(_PUBLISHED),
            "defaults": TrainingDefaults(lr=1e-4, finetune_lr=1e-4, clip_grad=0.1),
        },
    )
