"""YOLO v1: the cell in which an object's center lies predicts it (Redmon et al., 2016: You Only Look Once)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn import functional

from zorki.data.preprocess.letterbox import Letterbox
from zorki.errors import RecipeError
from zorki.nn.backbones.backbone import Backbone
from zorki.nn.backbones.darknet import Darknet24
from zorki.nn.backbones.named import backbone as backbone_named
from zorki.nn.necks.one_map import drop_later_maps
from zorki.ops.boxes import paired_iou
from zorki.registry import Variant, model
from zorki.tasks.detection.models.yolo1.cells import decode_cells, encode_cells, owners_of_cells, responsible
from zorki.tasks.detection.models.yolo1.heads import CellHead, ConnectedHead
from zorki.tasks.detection.networks.dense_heads import best_classes, take_rows
from zorki.tasks.detection.networks.detector import Detector, NmsCandidates, settings_on
from zorki.tasks.detection.networks.target_assignment import stack_ground_truths
from zorki.tasks.detection.task import Detection
from zorki.types import Boxes

_MAX_CANDIDATES = 1000  # candidates an image


@dataclass
class Yolo1Outputs:
    """For each cell, row by row, five numbers (t_x, t_y, t_w, t_h, t_object) a predictor, then K logits of classes."""

    predictions: Float[Tensor, "B S D"]
    cells: tuple[int, int]  # rows and columns: S = rows * columns
    size: tuple[int, int]  # height and width of the input, in pixels


class Yolo1(Detector[Yolo1Outputs]):
    """YOLO v1 on any backbone and head.

    Each cell predicts one class and several boxes: sigmoid(t_x) and sigmoid(t_y) are the center's place in the cell,
    sigmoid(t_w) and sigmoid(t_h) the square roots of the box's share of the image's width and height,
    sigmoid(t_object) the overlap that the box will have, and the softmax of the logits the class. The paper's network
    predicts all of these without a sigmoid or softmax; the errors (section 2.2, equation 3) are its own: squared
    differences, those of places and square roots of sizes times `box_weight`, those of objects where there is none
    times `background_weight`, summed up, and here averaged over the images.

    A cell has one class and learns one box: of boxes with their centers in one cell the largest is learned, and the
    others are not. Where that happens often, choose a finer grid.

    Args:
        head: from the backbone's maps and the input's height and width to (B, D, rows, columns).
        boxes: predictors a cell; the one that overlaps the box most learns it.
        box_weight, background_weight: lambda_coord and lambda_noobj.
        settings: of the `Detector`.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        *,
        num_classes: int,
        boxes: int = 2,
        box_weight: float = 5.0,
        background_weight: float = 0.5,
        settings: dict[str, Any],
    ) -> None:
        super().__init__(backbone, num_classes=num_classes, min_score=0.01, max_iou=0.5, max_boxes=300, **settings)
        self.head, self.boxes = head, boxes
        self.box_weight, self.background_weight = box_weight, background_weight

    def forward(self, inputs: Num[Tensor, "B C H W"]) -> Yolo1Outputs:
        """Raw outputs for uint8 images."""
        height, width = (int(side) for side in inputs.shape[-2:])
        predictions = self.head(self.backbone(self.normalize(inputs)), height, width)
        cells = (int(predictions.shape[-2]), int(predictions.shape[-1]))
        return Yolo1Outputs(predictions.flatten(2).transpose(1, 2), cells, (height, width))

    def loss(self, outputs: Yolo1Outputs, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Terms of boxes, objects and classes."""
        predictions = outputs.predictions.float()
        ground_truths = stack_ground_truths(targets, predictions.device)
        image, cell, row = owners_of_cells(ground_truths, outputs.cells, outputs.size)
        target_boxes, labels = ground_truths.xyxy[image, row], ground_truths.labels[image, row]
        shares = self._shares(predictions)
        found = decode_cells(shares[..., :4], outputs.cells, outputs.size)
        aims = encode_cells(target_boxes, cell, outputs.cells, outputs.size)
        near = shares[image, cell]
        overlap = paired_iou(found[image, cell].detach(), target_boxes[:, None].expand(-1, self.boxes, -1))
        errors = (near[..., :4] - aims[:, None]).square().sum(-1)
        chosen = responsible(overlap, errors.detach())
        rows = torch.arange(len(chosen), device=chosen.device)
        objects = shares[..., 4].square()
        right = near[rows, chosen, 4]
        # Everything was counted as background first: the few that are not are put right.
        background = objects.sum() - right.square().sum()
        probabilities = predictions[image, cell, 5 * self.boxes :].softmax(-1)
        misses = (probabilities - functional.one_hot(labels, self.num_classes)).square().sum()
        count = max(1, len(targets))
        return {
            "boxes": self.box_weight * errors[rows, chosen].sum() / count,
            "objects": ((right - overlap[rows, chosen]).square().sum() + self.background_weight * background) / count,
            "classes": misses / count,
        }

    def candidates(self, outputs: Yolo1Outputs) -> NmsCandidates:
        """The best pairs of box and class; scores are the class's probability times the object's (equation 1)."""
        predictions = outputs.predictions.float()
        shares = self._shares(predictions)
        classes = predictions[..., 5 * self.boxes :].softmax(-1)
        scores = shares[..., 4, None] * classes[:, :, None]
        best, place, labels = best_classes(scores.flatten(1, 2), _MAX_CANDIDATES)
        xyxy = decode_cells(shares[..., :4], outputs.cells, outputs.size)
        return NmsCandidates(take_rows(xyxy.flatten(1, 2), place), best, labels)

    def _shares(self, predictions: Float[Tensor, "B S D"]) -> Float[Tensor, "B S N 5"]:
        return predictions[..., : 5 * self.boxes].unflatten(-1, (self.boxes, 5)).sigmoid()


def _begin_rare(head: nn.Module, boxes: int, places: int = 1) -> None:
    """Biases from which a tenth of each cell's predictions are objects, and boxes span a tenth of the image's sides."""
    output = head.output
    assert isinstance(output, nn.Linear | nn.Conv2d)
    assert output.bias is not None
    with torch.no_grad():
        bias = output.bias.zero_().view(-1, places)
        numbers = bias[: 5 * boxes].view(boxes, 5, places)
        numbers[:, 2:4] = math.log(math.sqrt(0.1) / (1 - math.sqrt(0.1)))
        numbers[:, 4] = math.log(0.1 / 0.9)


@model(
    Detection,
    variants=[
        Variant(
            "yolo1_squeezenet",
            "YOLO v1 (Redmon et al., 2016) on SqueezeNet 1.0, with cells of 16 pixels.",
            {"backbone": "squeezenet"},
        ),
    ],
    any_backbone="yolo1_{backbone}",
)
def yolo1(
    num_classes: int, *, backbone: str, image_size: int = 320, boxes: int = 2, stride: int = 16, grid: int | None = None
) -> Yolo1:
    """YOLO v1 (Redmon et al., 2016) on any backbone, with convolutions for a head.

    Args:
        backbone: its name, see `zorki.nn.backbones.named`.
        image_size: of the images' longer side, in pixels.
        boxes: predictors a cell.
        stride: side of a cell in pixels; the backbone must have such a map.
        grid: so many cells a side in place of `stride`; the paper has 7.
    """
    network = backbone_named(backbone)
    head = CellHead(network, 5 * boxes + num_classes, stride=stride, grid=grid)
    drop_later_maps(network, head.tap)
    _begin_rare(head, boxes)
    settings = settings_on(backbone, Letterbox(image_size, stride=32))
    return Yolo1(network, head, num_classes=num_classes, boxes=boxes, settings=settings)


@model(Detection)
def yolo1_darknet(num_classes: int, *, image_size: int = 448, boxes: int = 2, batch_norm: bool = True) -> Yolo1:
    """YOLO v1 (Redmon et al., 2016) as published: 24 convolutions, two fully connected layers, 7x7 cells.

    Args:
        image_size: side of the square input in pixels, a multiple of 64.
        boxes: predictors a cell.
        batch_norm: see `Darknet24`.

    Raises:
        RecipeError: `image_size` is no multiple of 64.
    """
    if image_size % 64:
        raise RecipeError(f"yolo1_darknet: image_size must be a multiple of 64, but is {image_size}")
    network = Darknet24(batch_norm=batch_norm)
    head = ConnectedHead(network.channels[-1], 5 * boxes + num_classes, grid=image_size // 64)
    _begin_rare(head, boxes, (image_size // 64) ** 2)
    settings = {"preprocess": Letterbox(image_size, stride=image_size)}
    return Yolo1(network, head, num_classes=num_classes, boxes=boxes, settings=settings)
