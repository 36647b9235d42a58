"""RT-DETR (Lv et al., 2023): DETR at the speed of one-stage detectors, without NMS.

Attention only where a map is small, convolutions between maps, queries that are the encoder's best cells, and a
decoder that reads all maps at a few points a query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from zorki.contracts import TrainingDefaults
from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.resize import Resize
from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone, last_maps
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.ops.boxes import cxcywh_to_xyxy
from zorki.registry import Variant, model
from zorki.tasks.detection.models.detr.canvas_tokens import pixels_of, shares_of
from zorki.tasks.detection.models.detr.set_loss import Classes, SetLoss, total
from zorki.tasks.detection.models.rtdetr.convolutions import ConvNorm
from zorki.tasks.detection.models.rtdetr.decoder import (
    Decoded,
    DeformableDecoder,
    Readable,
    box_output,
    class_output,
)
from zorki.tasks.detection.models.rtdetr.deformable_attention import MapSizes
from zorki.tasks.detection.models.rtdetr.hybrid_encoder import HybridEncoder, cross_stage_encoder
from zorki.tasks.detection.models.rtdetr.published import TransformersNames
from zorki.tasks.detection.models.rtdetr.query_loss import LayerLoss, Proposals, QueryLoss
from zorki.tasks.detection.models.rtdetr.resnet_vd import ResNetVd
from zorki.tasks.detection.models.two_stage_detr.denoising import Denoising, NoisyQueries
from zorki.tasks.detection.networks.dense_heads import best_classes, take_rows
from zorki.tasks.detection.networks.detector import Detector, NmsCandidates, settings_on
from zorki.tasks.detection.networks.target_assignment import GroundTruthBatch, stack_ground_truths
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes

LEVELS = (8, 16, 32)  # strides of the maps
ANCHOR_SIZE = 0.05  # sides of the boxes that the finest cells begin with, in shares of the canvas; then twice as much
EDGE = 0.01  # cells nearer to the edge of the canvas propose nothing
BEYOND = 1e4  # the logit of the boxes of those


@dataclass
class RtDetrOutputs:
    """The outputs of the queries after each of L layers, and those of the cells that they were.

    Attributes:
        decoded: of the queries.
        logits, boxes: of the cells, as the encoder proposed them; boxes are cxcywh in shares of the canvas.
        memory: what the decoder read.
        frames: xyxy, the whole canvas in pixels.
    """

    decoded: Decoded
    logits: Float[Tensor, "B Q K"]
    boxes: Float[Tensor, "B Q 4"]
    memory: Readable
    frames: Float[Tensor, "B 4"]


torch.export.register_dataclass(RtDetrOutputs)


class RtDetr(Detector[RtDetrOutputs]):
    """A backbone, a `HybridEncoder`, and a decoder whose queries are the best cells of all maps.

    In training, noisy copies of the objects are queries beside these (Zhang et al., 2023: DINO, section 3.3), which
    look at them and are not looked at; so what is predicted does not depend on them.

    Images are stretched to fill a square, as the authors do it, so that no pixel is spent on a canvas.

    Args:
        backbone: makes features; of its maps, those of `strides` are read. Where there is none of 32, convolutions
            make it.
        encoder: fuses as many maps as there are strides, see `map_channels`.
        decoder: `DeformableDecoder`, or one with outputs and arguments of its kind.
        criterion: the losses of what the decoder predicts.
        width: D, channels of all maps behind the encoder.
        strides: of the maps, finest first.
        project: maps are projected behind the encoder.
        queries: Q, the most boxes that can be predicted.
        denoising: noisy queries an image, about half of which are near their object; 0 makes none.
        repeats: cells that an object is matched to; 0: one, of those that became queries, as published. See
            `_cell_loss`.
        settings: of the `Detector`.
    """

    def __init__(
        self,
        backbone: Backbone,
        encoder: HybridEncoder,
        decoder: nn.Module,
        criterion: QueryLoss,
        *,
        num_classes: int,
        width: int,
        strides: Sequence[int] = LEVELS,
        project: bool = True,
        queries: int,
        denoising: int,
        repeats: int = 0,
        settings: dict[str, Any],
    ) -> None:
        super().__init__(backbone, num_classes=num_classes, max_iou=None, max_boxes=min(queries, 100), **settings)
        self.taps = _taps(backbone, strides)
        self.query_count, self.denoising, self.repeats = queries, denoising, repeats
        self.criterion = criterion
        channels = map_channels(backbone, width, strides)[len(self.taps) - 1 :]
        self.coarser = nn.ModuleList(ConvNorm(before, width, 3, 2, nn.SiLU()) for before in channels[:-1])
        self.encoder = encoder
        self.project = nn.ModuleList(ConvNorm(width, width) if project else nn.Identity() for _ in strides)
        self.proposal_tokens = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))
        self.proposal_classes, self.proposal_offsets = class_output(width, num_classes), box_output(width)
        self.decoder = decoder
        self.label_content = nn.Embedding(num_classes, width) if denoising else None

    def forward(self, images: Num[Tensor, "B C H W"]) -> RtDetrOutputs:
        """Raw outputs for uint8 images."""
        height, width = images.shape[-2:]
        maps = self.backbone(self.normalize(images))
        features = [maps[tap] for tap in self.taps]
        for halve in self.coarser:
            features.append(halve(features[-1]))
        memory = self._readable(self.encoder(features))
        content, logits, boxes = self._queries(memory)
        frames = torch.tensor([[0.0, 0.0, width, height]], device=images.device).expand(images.shape[0], -1)
        return RtDetrOutputs(self.decoder(content, boxes, memory), logits, boxes, memory, frames)

    def loss(self, outputs: RtDetrOutputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Classes, distance (L1) and overlap (GIoU) of the last layer, and sums of those of all else that learns.

        The criterion may have more. "auxiliary" is of the layers before the last, "proposals" of the cells; in training
        there is also "denoising", of the noisy queries.
        """
        ground_truths = stack_ground_truths(targets, outputs.logits.device)
        shares = shares_of(ground_truths.xyxy, outputs.frames)
        proposals = None if self.repeats else Proposals(outputs.logits, outputs.boxes)
        losses = self.criterion(outputs.decoded, proposals, shares, ground_truths)
        if self.repeats:
            losses["proposals"] = self._cell_loss(outputs.memory, shares, ground_truths)
        if self.training and self.denoising:
            losses["denoising"] = self._denoising_loss(outputs, shares, ground_truths)
        return losses

    def candidates(self, outputs: RtDetrOutputs) -> NmsCandidates:
        """The best pairs of query and class of the last layer."""
        best, query, labels = best_classes(outputs.decoded.logits[-1].sigmoid(), self.max_boxes)
        xyxy = pixels_of(cxcywh_to_xyxy(outputs.decoded.boxes[-1]), outputs.frames)
        return NmsCandidates(take_rows(xyxy, query), best, labels)

    def _readable(self, maps: Sequence[Tensor]) -> Readable:
        projected = [project(one) for project, one in zip(self.project, maps, strict=True)]
        sizes = tuple((one.shape[2], one.shape[3]) for one in projected)
        return Readable(torch.cat([one.flatten(2).transpose(1, 2) for one in projected], 1), sizes)

    def _queries(
        self, memory: Readable
    ) -> tuple[Float[Tensor, "B Q D"], Float[Tensor, "B Q K"], Float[Tensor, "B Q 4"]]:
        """Content, logits and boxes of the best cells; the decoder sends them no gradient."""
        tokens, logits, anchors = self._cells(memory)
        rows = logits.amax(-1).topk(min(self.query_count, logits.shape[1])).indices
        best = take_rows(tokens, rows)
        boxes = (take_rows(anchors.expand(rows.shape[0], -1, -1), rows) + self.proposal_offsets(best).float()).sigmoid()
        return best.detach(), take_rows(logits, rows), boxes

    def _cells(self, memory: Readable) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B N K"], Float[Tensor, "1 N 4"]]:
        """Tokens and logits of all cells, and the logits of the boxes that they begin with."""
        anchors, inside = cell_anchors(memory.sizes, memory.tokens.device)
        tokens = self.proposal_tokens(memory.tokens * inside)
        return tokens, self.proposal_classes(tokens).float(), anchors

    def _cell_loss(
        self, memory: Readable, shares: Float[Tensor, "B M 4"], ground_truths: GroundTruthBatch
    ) -> Float[Tensor, ""]:
        """Of all cells, each object matched to several.

        As published a cell learns only once it is chosen, of thousands by whatever they predict at first, and only one
        an object. Here every cell learns from the first step, and each object is matched to several (Jia et al., 2023:
        H-DETR, section 3; Wang et al., 2024: RT-DETRv3 has dense labels in a branch of its own), never to more than
        the queries have room for; the decoder chooses one of them.
        """
        tokens, logits, anchors = self._cells(memory)
        boxes = (anchors + self.proposal_offsets(tokens).float()).sigmoid()
        times = max(1, min(self.repeats, self.query_count // shares.shape[1]))
        repeated = ground_truths.repeated(times)
        set_loss = self.criterion.set_loss
        return total(set_loss(logits[None], boxes[None], shares.repeat_interleave(times, 1), repeated))

    def _denoising_loss(
        self, outputs: RtDetrOutputs, shares: Float[Tensor, "B M 4"], ground_truths: GroundTruthBatch
    ) -> Float[Tensor, ""]:
        """Of noisy queries, each of which knows the object that it is to predict."""
        groups = max(1, self.denoising // shares.shape[1])
        noisy = Denoising(groups, box_noise=1.0, label_noise=0.25).queries(
            shares, ground_truths.labels, ground_truths.present, self.num_classes
        )
        return self.noisy_loss(outputs, noisy, shares, ground_truths)

    def noisy_loss(
        self,
        outputs: RtDetrOutputs,
        noisy: NoisyQueries,
        shares: Float[Tensor, "B M 4"],
        ground_truths: GroundTruthBatch,
    ) -> Float[Tensor, ""]:
        """The loss of noisy queries; `shares` are the objects' boxes, xyxy in shares of the canvas."""
        assert self.label_content is not None
        own = noisy.visible()
        others = own.new_ones((*own.shape[:2], outputs.logits.shape[1]))
        content = self.label_content(noisy.labels).to(outputs.memory.tokens.dtype)
        decoded = self.decoder(content, noisy.boxes, outputs.memory, outputs.decoded, torch.cat([others, own], 2))
        return self.criterion.of_noisy(noisy, decoded, shares, ground_truths)


def _taps(backbone: Backbone, strides: Sequence[int]) -> list[int]:
    places = last_maps(backbone)
    taps = [places[stride] for stride in strides if stride in places]
    if not taps:
        raise RecipeError(
            f"RT-DETR reads maps of strides {', '.join(map(str, strides))}; this backbone has {backbone.strides}"
        )
    return taps


def map_channels(backbone: Backbone, width: int, strides: Sequence[int] = LEVELS) -> list[int]:
    """Channels of the maps that the encoder gets: the backbone's, then those that convolutions make behind them.

    Raises:
        RecipeError: the backbone has no map of these strides.
    """
    found = [backbone.channels[tap] for tap in _taps(backbone, strides)]
    return [*found, *[width] * (len(strides) - len(found))]


def cell_anchors(sizes: MapSizes, device: torch.device) -> tuple[Float[Tensor, "1 N 4"], Float[Tensor, "1 N 1"]]:
    """The logits of the box that each cell begins with (cxcywh in shares), and 1 for cells inside of the edge."""
    anchors = []
    for level, (height, width) in enumerate(sizes):
        y = ((torch.arange(height, device=device) + 0.5) / height)[:, None].expand(-1, width)
        x = ((torch.arange(width, device=device) + 0.5) / width)[None].expand(height, -1)
        size = torch.full_like(x, ANCHOR_SIZE * 2**level)
        anchors.append(torch.stack([x, y, size, size], -1).flatten(0, 1))
    boxes = torch.cat(anchors)[None]
    inside = ((boxes > EDGE) & (boxes < 1 - EDGE)).all(-1, keepdim=True)
    return torch.where(inside, torch.logit(boxes, eps=1e-6), BEYOND), inside.float()


def check_sizes(method: str, width: int, image_size: int) -> None:
    """Raises RecipeError where they are no multiples of 32."""
    if width < 32 or width % 32:
        raise RecipeError(f"the width of {method} must be a multiple of 32, not {width}")
    if image_size < 32 or image_size % 32:
        raise RecipeError(f"the image size of {method} must be a multiple of 32, not {image_size}")


@model(
    Detection,
    variants=[
        Variant(
            "rtdetr_squeezenet",
            "RT-DETR (Lv et al., 2023) on SqueezeNet 1.0, for processors and few images.",
            {"backbone": "squeezenet"},
        ),
        Variant(
            "rtdetr_mobilenet_v3_small",
            "RT-DETR (Lv et al., 2023) on MobileNetV3 small, for processors and few images.",
            {"backbone": "mobilenet_v3_small"},
        ),
    ],
    any_backbone="rtdetr_{backbone}",
)
def rtdetr(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 320,
    queries: int = 100,
    width: int = 128,
    layers: int = 3,
    expansion: float = 0.5,
    denoising: int = 100,
    points: int = 4,
    classes: Classes = "varifocal",
    repeats: int = 0,
    min_score: float = 0.0,
    frozen_norms: bool = True,
) -> RtDetr:
    """RT-DETR (Lv et al., 2023) on any backbone, smaller than the paper's, for small images.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the longer side, in pixels; a multiple of 32.
        queries: the most boxes that can be predicted.
        width: of encoder and decoder, a multiple of 32; each head has 32.
        layers: of the decoder.
        expansion: channels of the encoder's blocks as a share of the width.
        denoising: noisy queries an image; 0 makes none.
        points: of each head in each map.
        classes: the loss of the classes: "varifocal" as published, or "matchability" (Huang et al., 2024: DEIM).
        repeats: cells that each object is matched to in training, of all cells; 0: one, of those that are queries, as
            published.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.

    Raises:
        RecipeError: there is no such backbone, or width or size is no multiple of 32.
    """
    check_sizes("RT-DETR", width, image_size)
    network, heads = backbone_named(backbone), width // 32
    return RtDetr(
        network,
        cross_stage_encoder(map_channels(network, width), width, heads, 4 * width, expansion=expansion),
        DeformableDecoder(layers, width, heads, 4 * width, [points] * len(LEVELS), num_classes),
        LayerLoss(SetLoss(num_classes, classes)),
        num_classes=num_classes,
        width=width,
        queries=queries,
        denoising=denoising,
        repeats=repeats,
        settings={
            **settings_on(backbone, Letterbox(image_size)),
            "min_score": min_score,
            "frozen_norms": frozen_norms,
            "defaults": TrainingDefaults(lr=3e-4, finetune_lr=3e-4, clip_grad=0.1, warmup_epochs=1.0),
        },
    )


@model(
    Detection,
    variants=[
        Variant(
            "rtdetr_r18",
            "RT-DETR (Lv et al., 2023) on ResNet-18-vd, as published: 20 million parameters.",
            {},
            weights={"coco": "huggingface:PekingU/rtdetr_r18vd"},
        ),
        Variant(
            "rtdetr_v2_r18",
            "RT-DETRv2 (Lv et al., 2024) on ResNet-18-vd, as published: the same network, trained better.",
            {},
            weights={"coco": "huggingface:PekingU/rtdetr_v2_r18vd"},
        ),
    ],
)
def rtdetr_resnet18_vd(
    num_classes: int,
    *,
    image_size: int = 640,
    queries: int = 300,
    denoising: int = 100,
    min_score: float = 0.0,
    frozen_norms: bool = True,
) -> RtDetr:
    """RT-DETR (Lv et al., 2023) on ResNet-18-vd, as published.

    Args:
        image_size: sides of the square that images are stretched to, in pixels; a multiple of 32.
        queries: of the encoder's cells.
        denoising: noisy queries an image; 0 makes none.
        min_score: of predictions.
        frozen_norms: the backbone's batch norms keep their published statistics.

    Raises:
        RecipeError: the size is no multiple of 32.
    """
    check_sizes("RT-DETR", 256, image_size)
    network = ResNetVd()
    return RtDetr(
        network,
        cross_stage_encoder(map_channels(network, 256), 256, 8, 1024, expansion=0.5),
        DeformableDecoder(3, 256, 8, 1024, [4] * len(LEVELS), num_classes),
        LayerLoss(SetLoss(num_classes, "varifocal")),
        num_classes=num_classes,
        width=256,
        queries=queries,
        denoising=denoising,
        settings={
            "preprocess": Resize(image_size),
            "mean": (0.0, 0.0, 0.0),
            "std": (1.0, 1.0, 1.0),
            "min_score": min_score,
            "frozen_norms": frozen_norms,
            "weight_map": TransformersNames(),
            "defaults": TrainingDefaults(lr=1e-4, finetune_lr=1e-4, clip_grad=0.1, warmup_epochs=1.0),
        },
    )
