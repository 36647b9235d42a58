"""YOLO v3: three maps, three anchors a cell, everything predicted in one pass (Redmon and Farhadi, 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn import functional

from zorki.data.preprocess.letterbox import Letterbox
from zorki.errors import RecipeError
from zorki.losses.giou import giou_loss
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.nn.necks.one_map import drop_later_maps
from zorki.nn.necks.yolo_neck import YoloNeck
from zorki.registry import Variant, model
from zorki.tasks.detection.models.yolo3.anchor_clusters import cluster_shapes
from zorki.tasks.detection.models.yolo3.anchors import (
    PAPER_ANCHORS,
    PAPER_SIZE,
    AnchorGrid,
    anchor_grid,
    decode_yolo,
    encode_yolo,
    match_shapes,
    overlaps_any,
)
from zorki.tasks.detection.networks.dense_heads import (
    PRIOR,
    best_classes,
    prior_logit,
    rows_of,
    strongest_rows,
    take_rows,
)
from zorki.tasks.detection.networks.detector import Detector, NmsCandidates, learnable, settings_on
from zorki.tasks.detection.networks.target_assignment import stack_ground_truths
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes

STRIDES = (8, 16, 32)
Anchors = str | Sequence[tuple[float, float]]

_MAX_CANDIDATES = 1000  # candidates an image


@dataclass
class Yolo3Outputs:
    """For each anchor (t_x, t_y, t_w, t_h), the logit of there being an object, and those of its class."""

    predictions: Float[Tensor, "B P D"]
    grid: AnchorGrid
    area: float  # of the input, in pixels


class Yolo3(Detector[Yolo3Outputs]):
    """YOLO v3 on any backbone.

    Section 2: each box has one anchor that learns its place, its class (independent logistic classifiers) and that
    there is an object. All other anchors learn that there is none, except those whose prediction overlaps a box by more
    than `ignore` already. The terms are summed and divided by the number of learning anchors in the batch.

    Differs from the paper in choices that it leaves open: the best anchor is the nearest in shape, as the authors' code
    has it; the bias of objectness starts at the log-odds of 1 %; GIoU may stand for the squared errors.

    Args:
        neck: makes the maps, see `YoloNeck`.
        size: of the images' longer side, in pixels; the paper's anchors are scaled to it.
        anchors: nine (width, height) in network pixels, smallest first; "paper" for section 2.3's; or "fit" to take
            them from the training boxes (`fit_to_data`).
        box_loss: "giou", or the paper's "squared" errors of (sigmoid(t_x), sigmoid(t_y), t_w, t_h), which count up to
            twice for small boxes as in the authors' code.
        also: further anchors of a shape that overlaps the box's by more than this learn it too; 1 is the paper's.
        ignore: overlap from which wrong anchors are let be (section 2.1).
        settings: of the `Detector`.
    """

    anchors: Tensor

    prior = PRIOR

    def __init__(
        self,
        backbone: Backbone,
        neck: YoloNeck,
        *,
        num_classes: int,
        size: int,
        anchors: Anchors = "paper",
        box_loss: str = "giou",
        also: float = 1.0,
        ignore: float = 0.5,
        settings: dict[str, Any],
    ) -> None:
        super().__init__(backbone, num_classes=num_classes, min_score=0.01, max_iou=0.45, max_boxes=300, **settings)
        if box_loss not in ("giou", "squared"):
            raise RecipeError(f"box_loss must be 'giou' or 'squared', but is {box_loss!r}")
        self.neck, self.size, self.box_loss, self.also, self.ignore = neck, size, box_loss, also, ignore
        self.needs_fitting = anchors == "fit"
        self.register_buffer("anchors", _nine(anchors, size).view(len(neck.strides), -1, 2))
        each = self.anchors.shape[1]
        self.outputs = nn.ModuleList(_output(width, each, 5 + num_classes) for width in neck.channels)

    def fit_to_data(self, targets: Sequence[Boxes], sizes: Sequence[tuple[int, int]]) -> None:
        """Where `anchors` is "fit": nine clusters of the training boxes' shapes (`cluster_shapes`) become the anchors.

        Args:
            targets: in original pixels.
            sizes: (height, width) of each image.
        """
        boxes = [learnable(target).xyxy.float() for target in targets]
        if not self.needs_fitting or not sum(map(len, boxes)):
            return
        shapes = [(xyxy[:, 2:] - xyxy[:, :2]) * self.size / max(size) for xyxy, size in zip(boxes, sizes, strict=True)]
        self.anchors.copy_(cluster_shapes(torch.cat(shapes), 9).view_as(self.anchors))

    def forward(self, inputs: Num[Tensor, "B C H W"]) -> Yolo3Outputs:
        """Raw outputs for uint8 images."""
        height, width = (int(side) for side in inputs.shape[-2:])
        maps = self.neck(self.backbone(self.normalize(inputs)), height, width)
        values = 5 + self.num_classes
        predictions = [rows_of(layer(x), values) for layer, x in zip(self.outputs, maps, strict=True)]
        cells = [(int(x.shape[-2]), int(x.shape[-1])) for x in maps]
        return Yolo3Outputs(
            torch.cat(predictions, 1), anchor_grid(cells, self.neck.strides, self.anchors), height * width
        )

    def loss(self, outputs: Yolo3Outputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Terms of boxes, objectness and classes."""
        predictions, grid = outputs.predictions.float(), outputs.grid
        ground_truths = stack_ground_truths(targets, predictions.device)
        owner = match_shapes(ground_truths, grid.cells, self.neck.strides, self.anchors, self.also)
        found = decode_yolo(predictions[..., :4], grid)
        positive = owner >= 0
        valid = positive | ~overlaps_any(found.detach(), ground_truths, self.ignore)
        objectness = functional.binary_cross_entropy_with_logits(
            predictions[..., 4], positive.float(), valid.float(), reduction="sum"
        )
        image, row = positive.nonzero(as_tuple=True)
        box = owner[image, row]
        target_boxes = ground_truths.xyxy[image, box]
        classes = functional.binary_cross_entropy_with_logits(
            predictions[image, row, 5:],
            functional.one_hot(ground_truths.labels[image, box], self.num_classes).float(),
            reduction="sum",
        )
        if self.box_loss == "giou":
            boxes = 2 * giou_loss(found[image, row], target_boxes).sum()
        else:
            aims = encode_yolo(target_boxes, grid.corners[row], grid.sides[row], grid.shapes[row])
            got = predictions[image, row, :4]
            errors = (torch.cat([got[:, :2].sigmoid(), got[:, 2:]], 1) - aims).square().sum(1)
            share = (target_boxes[:, 2:] - target_boxes[:, :2]).prod(1) / outputs.area
            boxes = (errors * (2 - share)).sum()
        count = max(1, len(row))
        return {"boxes": boxes / count, "objectness": objectness / count, "classes": classes / count}

    @torch.no_grad()
    def expected_losses(self, outputs: Yolo3Outputs, targets: Sequence[Boxes]) -> dict[str, float]:
        """Of objectness where every anchor scores `PRIOR`, of classes where each is a coin's toss."""
        predictions = torch.zeros_like(outputs.predictions)
        predictions[..., 4] = prior_logit(PRIOR)
        losses = self.loss(replace(outputs, predictions=predictions), targets)
        return {name: float(losses[name]) for name in ("objectness", "classes")}

    def place_scores(self, outputs: Yolo3Outputs) -> Float[Tensor, " N"]:
        """The objectness of each anchor."""
        return outputs.predictions[..., 4].float().sigmoid().flatten()

    def candidates(self, outputs: Yolo3Outputs) -> NmsCandidates:
        """The best pairs of box and class among the boxes that are most likely objects; scores are the product."""
        rows = strongest_rows(outputs.predictions[..., 4].float(), _MAX_CANDIDATES)
        predictions = take_rows(outputs.predictions, rows).float()
        scores, place, labels = best_classes(
            predictions[..., 4:5].sigmoid() * predictions[..., 5:].sigmoid(), _MAX_CANDIDATES
        )
        grid = outputs.grid
        picked = AnchorGrid(grid.corners[rows], grid.sides[rows], grid.shapes[rows], grid.cells)
        return NmsCandidates(take_rows(decode_yolo(predictions[..., :4], picked), place), scores, labels)


def _output(channels: int, anchors: int, values: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, anchors * values, 1)
    assert layer.bias is not None
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    # Almost no anchor has an object: without this the first steps only undo a huge loss.
    nn.init.constant_(layer.bias.detach().view(anchors, values)[:, 4], prior_logit(PRIOR))
    return layer


def _nine(anchors: Anchors, size: int) -> Float[Tensor, "9 2"]:
    if anchors in ("paper", "fit"):
        return torch.tensor(PAPER_ANCHORS, dtype=torch.float32) * size / PAPER_SIZE
    numbers: list[Any] = anchors.replace(",", " ").split() if isinstance(anchors, str) else list(chain(*anchors))
    try:
        pairs = torch.tensor([float(number) for number in numbers]).view(9, 2)
    except (ValueError, RuntimeError):
        pairs = torch.zeros(9, 2)
    if not bool((pairs > 0).all()):
        raise RecipeError(
            f"anchors must be paper, fit, or nine pairs of width and height in pixels such as 10,13 16,30 ..., "
            f"but are {anchors!r}"
        )
    return pairs


@model(
    Detection,
    variants=[
        Variant(
            "yolo3_squeezenet",
            "YOLO v3 (Redmon and Farhadi, 2018) on SqueezeNet 1.0, with a thin neck.",
            {"backbone": "squeezenet"},
        ),
        Variant(
            "yolo3_mobilenet_v3_large",
            "YOLO v3 (Redmon and Farhadi, 2018) on MobileNetV3-Large, with a thin neck.",
            {"backbone": "mobilenet_v3_large"},
        ),
        Variant(
            "yolo3_mobilenet_v3_small",
            "YOLO v3 (Redmon and Farhadi, 2018) on MobileNetV3-Small, with a thin neck of separable convolutions.",
            {"backbone": "mobilenet_v3_small"},
            {"separable": True},
            former={"separable": False},
        ),
        Variant(
            "yolo3_darknet53",
            "YOLO v3 (Redmon and Farhadi, 2018) as published, on Darknet-53.",
            {"backbone": "darknet53", "widths": (128, 256, 512), "depth": 5},
            {"image_size": 416},
        ),
    ],
    any_backbone="yolo3_{backbone}",
)
def yolo3(
    num_classes: int,
    *,
    backbone: str,
    image_size: int = 320,
    anchors: Anchors = "paper",
    box_loss: str = "giou",
    also: float = 1.0,
    ignore: float = 0.5,
    widths: tuple[int, int, int] = (64, 128, 256),
    depth: int = 3,
    separable: bool = False,
) -> Yolo3:
    """YOLO v3 (Redmon and Farhadi, 2018) on any backbone.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the images' longer side, in pixels.
        widths: of the neck, finest scale first; the paper's are (128, 256, 512).
        depth: of the neck's columns; the paper's is 5.
        separable: the neck's 3x3 convolutions are depthwise-separable.
        anchors, box_loss, also, ignore: see `Yolo3`.
    """
    network = backbone_named(backbone)
    neck = YoloNeck(network, STRIDES, widths, depth=depth, separable=separable)
    drop_later_maps(network, neck.taps[-1])
    return Yolo3(
        network,
        neck,
        num_classes=num_classes,
        size=image_size,
        anchors=anchors,
        box_loss=box_loss,
        also=also,
        ignore=ignore,
        settings=settings_on(backbone, Letterbox(image_size, stride=32)),
    )
