"""DETR whose queries are found by its encoder, trained with denoising and several queries an object.

What makes DETR learn from hundreds of images in an hour, where the first one needs a hundred thousand and days. The
parts are those of its successors; attention is DETR's own, over one map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor, nn

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.letterbox import Letterbox
from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.ops.boxes import cxcywh_to_xyxy
from zorki.registry import Variant, model
from zorki.tasks.detection.models.detr.canvas_tokens import CanvasTokens, canvas_tokens, pixels_of, shares_of
from zorki.tasks.detection.models.detr.set_loss import SetLoss, last_and_auxiliary, total
from zorki.tasks.detection.models.detr.transformer import Transformer
from zorki.tasks.detection.models.two_stage_detr.denoising import ABSENT, Denoising
from zorki.tasks.detection.networks.dense_heads import best_classes, take_rows
from zorki.tasks.detection.networks.detector import Detector, NmsCandidates, settings_on
from zorki.tasks.detection.networks.target_assignment import GroundTruthBatch, stack_ground_truths
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes, Padded

START_SIZE = 0.1  # sides of the boxes of tokens, in shares of the image, before they learn


@dataclass
class EncodedImages:
    """The encoder's tokens, which the decoder reads, and what each of them proposes.

    Attributes:
        memory: the tokens.
        positions: theirs.
        mask: which tokens the image covers; the others are canvas.
        logits: of the proposed class; `ABSENT` on the canvas.
        boxes: proposed, cxcywh in shares of the image.
    """

    memory: Float[Tensor, "B N D"]
    positions: Float[Tensor, "B N D"]
    mask: Bool[Tensor, "B N"]
    logits: Float[Tensor, "B N K"]
    boxes: Float[Tensor, "B N 4"]


@dataclass
class TwoStageDetrOutputs:
    """The outputs of each query after each of L decoder layers, and what the encoder proposed."""

    logits: Float[Tensor, "L B Q K"]
    boxes: Float[Tensor, "L B Q 4"]  # cxcywh in shares of the image
    frames: Float[Tensor, "B 4"]  # xyxy: where the image lies on the canvas
    encoded: EncodedImages


for _kind in (EncodedImages, TwoStageDetrOutputs):
    torch.export.register_dataclass(_kind)


class TwoStageDetr(Detector[TwoStageDetrOutputs]):
    """A backbone's last map, read by a transformer whose queries are the best tokens of its encoder.

    - Every token of the encoder proposes a box and its class; the best are the queries, with the token for content
      and the box for position (Zhu et al., 2021: Deformable DETR, appendix A.4; Yao et al., 2021: Efficient DETR).
    - Each decoder layer moves the boxes of the one before (Zhu et al., 2021, appendix A.4), and where a query looks
      hangs on its box (Liu et al., 2022: DAB-DETR).
    - In training, more queries predict beside them, and each object is matched to several of these (Jia et al., 2023:
      H-DETR, section 3), and others are made of the objects with noise, see `Denoising`. Neither is seen by the
      queries that predict, nor there at inference.

    Args:
        backbone: makes features; the last map is used.
        transformer: encoder and decoder.
        queries: Q, of the tokens.
        extra_queries: tokens after those that predict in training alone.
        repeats: queries that each object is matched to among them.
        denoising: how queries are made of objects; None: there are none.
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
        extra_queries: int,
        repeats: int,
        denoising: Denoising | None,
        width: int,
        settings: dict[str, Any],
    ) -> None:
        super().__init__(backbone, num_classes=num_classes, max_iou=None, max_boxes=100, **settings)
        self.query_count, self.extra_queries, self.repeats, self.denoising = queries, extra_queries, repeats, denoising
        self.set_loss = SetLoss(num_classes, "focal")
        self.project = nn.Conv2d(backbone.channels[-1], width, 1)
        self.transformer = transformer
        self.proposal_tokens = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))
        self.proposal_classes, self.proposal_offsets = _class_output(width, num_classes), _offset_output(width)
        self.content = nn.Linear(width, width)
        self.place = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, width))
        self.class_output, self.offset_output = _class_output(width, num_classes), _offset_output(width)
        self.label_content = nn.Embedding(num_classes, width) if denoising is not None else None

    def forward(self, inputs: Padded | Num[Tensor, "B C H W"]) -> TwoStageDetrOutputs:
        """Raw outputs for uint8 images; bare ones are without a canvas."""
        tokens = canvas_tokens(inputs, self.normalize, lambda pixels: self.project(self.backbone(pixels)[-1]))
        encoded = self._encode(tokens)
        logits, boxes = self.refine(encoded, *self._queries(encoded, slice(0, self.query_count)))
        return TwoStageDetrOutputs(logits, boxes, tokens.frames, encoded)

    def refine(
        self,
        encoded: EncodedImages,
        content: Float[Tensor, "B Q D"],
        boxes: Float[Tensor, "B Q 4"],
        visible: Bool[Tensor, "B Q Q"] | None = None,
    ) -> tuple[Float[Tensor, "L B Q K"], Float[Tensor, "L B Q 4"]]:
        """The decoder's logits and boxes of each layer, for queries that begin with a content and a box.

        Args:
            encoded: the memory to read.
            content: of the queries.
            boxes: cxcywh in shares of the image; no gradient goes through them.
            visible: which queries each query may look at.
        """
        decoder = self.transformer.decoder
        placed = encoded.memory + encoded.positions
        logits, found = [], []
        for layer in decoder.layers:
            boxes = boxes.detach()
            where = self.place(_box_waves(boxes, content.shape[2]).to(content.dtype))
            content = layer(content, where, encoded.memory, placed, encoded.mask, visible)
            normed = decoder.norm(content)
            boxes = _moved(boxes, self.offset_output(normed))
            logits.append(self.class_output(normed).float())
            found.append(boxes)
        return torch.stack(logits), torch.stack(found)

    def loss(self, outputs: TwoStageDetrOutputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Classes, distance (L1) and overlap (GIoU) of the last layer, and sums of those of all else that learns.

        "auxiliary" is of the layers before the last, "proposals" of the encoder's, each object matched once; in
        training there are also "extra", of the queries that each object is matched to several of, and "denoising".
        """
        ground_truths = stack_ground_truths(targets, outputs.logits.device)
        shares = shares_of(ground_truths.xyxy, outputs.frames)
        layers = self.set_loss(outputs.logits, outputs.boxes, shares, ground_truths)
        losses = last_and_auxiliary(layers)
        losses["proposals"] = total(
            self.set_loss(outputs.encoded.logits[None], outputs.encoded.boxes[None], shares, ground_truths)
        )
        if self.training and self.extra_queries:
            losses["extra"] = self._extra_loss(outputs.encoded, shares, ground_truths)
        if self.training and self.denoising is not None:
            losses["denoising"] = self._denoising_loss(outputs.encoded, shares, ground_truths)
        return losses

    def candidates(self, outputs: TwoStageDetrOutputs) -> NmsCandidates:
        """The 100 best pairs of query and class of the last layer."""
        best, query, labels = best_classes(outputs.logits[-1].sigmoid(), 100)
        xyxy = pixels_of(cxcywh_to_xyxy(outputs.boxes[-1]), outputs.frames)
        return NmsCandidates(take_rows(xyxy, query), best, labels)

    def _encode(self, tokens: CanvasTokens) -> EncodedImages:
        memory = self.transformer.encoder(tokens.features, tokens.positions, tokens.mask)
        proposals = self.proposal_tokens(memory)
        logits = self.proposal_classes(proposals).float().masked_fill(~tokens.mask[:, :, None], ABSENT)
        centers = tokens.centers()
        start = torch.cat([centers, torch.full_like(centers, START_SIZE)], -1)
        boxes = _moved(start, self.proposal_offsets(proposals))
        return EncodedImages(memory, tokens.positions, tokens.mask, logits, boxes)

    def _queries(self, encoded: EncodedImages, ranks: slice) -> tuple[Float[Tensor, "B Q D"], Float[Tensor, "B Q 4"]]:
        """Content and boxes of the tokens of those ranks, the best first."""
        strength = encoded.logits.amax(-1)
        rows = strength.topk(min(ranks.stop, strength.shape[1])).indices[:, ranks]
        return self.content(take_rows(encoded.memory, rows)), take_rows(encoded.boxes, rows)

    def _extra_loss(
        self, encoded: EncodedImages, shares: Float[Tensor, "B M 4"], ground_truths: GroundTruthBatch
    ) -> Float[Tensor, ""]:
        """Of the queries after those that predict; each object is matched to `repeats` of them."""
        queries = self._queries(encoded, slice(self.query_count, self.query_count + self.extra_queries))
        repeated = ground_truths.repeated(self.repeats)
        return total(
            self.set_loss(*self.refine(encoded, *queries), shares.repeat_interleave(self.repeats, 1), repeated)
        )

    def _denoising_loss(
        self, encoded: EncodedImages, shares: Float[Tensor, "B M 4"], ground_truths: GroundTruthBatch
    ) -> Float[Tensor, ""]:
        """Of queries made of the objects, each of which knows the one that it is to predict."""
        assert self.denoising is not None
        assert self.label_content is not None
        noisy = self.denoising.queries(shares, ground_truths.labels, ground_truths.present, self.num_classes)
        content = self.label_content(noisy.labels).to(encoded.memory.dtype)
        logits, boxes = self.refine(encoded, content, noisy.boxes, noisy.visible())
        return noisy.loss(self.set_loss, logits, boxes, shares, ground_truths)


def _class_output(width: int, num_classes: int) -> nn.Linear:
    linear = nn.Linear(width, num_classes)
    nn.init.constant_(linear.bias, -4.6)  # 1 %: almost every query predicts no object
    return linear


def _offset_output(width: int) -> nn.Sequential:
    last = nn.Linear(width, 4)
    nn.init.zeros_(last.weight)  # boxes begin where they are given
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last)


def _moved(boxes: Float[Tensor, "B Q 4"], offsets: Float[Tensor, "B Q 4"]) -> Float[Tensor, "B Q 4"]:
    """Boxes (cxcywh in shares) with offsets added behind the logit, so that they stay in 0..1."""
    return (torch.logit(boxes, eps=1e-3) + offsets.float()).sigmoid()


def _box_waves(boxes: Float[Tensor, "B Q 4"], width: int) -> Float[Tensor, "B Q C"]:
    """Sines and cosines of y, x, height and width, C = 2 `width`; the first half as `sine_positions` has places."""
    exponents = torch.arange(width // 4, device=boxes.device) * (4 / width)
    angles = boxes[..., [1, 0, 3, 2], None] * (2 * math.pi) / 10000.0**exponents
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(2)


@model(
    Detection,
    variants=[
        Variant(
            "two_stage_detr_squeezenet",
            "DETR on SqueezeNet 1.0 with queries of its encoder and denoising, for small images and few of them.",
            {"backbone": "squeezenet"},
        ),
    ],
    any_backbone="two_stage_detr_{backbone}",
)
def two_stage_detr(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 320,
    queries: int = 100,
    extra_queries: int = 150,
    repeats: int = 4,
    denoising: int = 3,
    width: int = 192,
    layers: int = 3,
    dropout: float = 0.0,
    min_score: float = 0.0,
    frozen_norms: bool = True,
) -> TwoStageDetr:
    """DETR (Carion et al., 2020) with queries of its encoder, several of them an object in training, and denoising.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side of the images, in pixels.
        queries: that predict, of the encoder's tokens.
        extra_queries: that learn beside them in training.
        repeats: of these, how many each object is matched to.
        denoising: groups of queries made of the objects with noise; 0 makes none.
        width: of the transformer, a multiple of 32; each head has 32.
        layers: of the encoder, and as many of the decoder.
        dropout: of the transformer.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.

    Raises:
        RecipeError: there is no such backbone, or the width is no multiple of 32.
    """
    if width < 32 or width % 32:
        raise RecipeError(f"the width of DETR's transformer must be a multiple of 32, not {width}")
    return TwoStageDetr(
        backbone_named(backbone),
        Transformer(width, width // 32, 4 * width, encoder=layers, decoder=layers, dropout=dropout, pre_norm=True),
        num_classes=num_classes,
        queries=queries,
        extra_queries=extra_queries,
        repeats=repeats,
        denoising=Denoising(denoising) if denoising else None,
        width=width,
        settings={
            **settings_on(backbone, Letterbox(image_size, stride=32, padded=True)),
            "min_score": min_score,
            "frozen_norms": frozen_norms,
            "defaults": TrainingDefaults(lr=3e-4, finetune_lr=3e-4, clip_grad=0.1, warmup_epochs=1.0),
        },
    )
