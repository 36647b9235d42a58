"""YOLO v3's anchors: where they stand, which of them learns which box, and the paper's nine shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from zorki.ops.anchors import grid_points
from zorki.ops.box_coder import LARGEST_LOG
from zorki.ops.boxes import box_area, cxcywh_to_xyxy, intersection, xyxy_to_cxcywh
from zorki.tasks.detection.models.yolo3.anchor_clusters import shape_iou
from zorki.tasks.detection.networks.target_assignment import GroundTruthBatch, portions

PAPER_SIZE = 416
PAPER_ANCHORS = (
    (10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326),
)  # fmt: skip
"""(width, height) in pixels of an input of 416 (Redmon and Farhadi, 2018, section 2.3)."""


@dataclass
class AnchorGrid:
    """For each of P anchors the corner of its cell and the cell's side in pixels, and its own width and height.

    The finest map is first; cells are row by row, and the anchors of a cell together.
    """

    corners: Float[Tensor, "*B P 2"]
    sides: Float[Tensor, "*B P 1"]
    shapes: Float[Tensor, "*B P 2"]
    cells: list[tuple[int, int]]  # rows and columns of each map


def anchor_grid(cells: Sequence[tuple[int, int]], strides: Sequence[int], shapes: Float[Tensor, "L A 2"]) -> AnchorGrid:
    """The grid of maps of `cells` (rows, columns), each with its A anchors; places are made once for each size."""
    make = _places if torch.compiler.is_compiling() else _kept_places  # what is traced must not be kept
    corners, sides, kinds = make(tuple(cells), tuple(strides), shapes.shape[1], shapes.device)
    return AnchorGrid(corners, sides, shapes.flatten(0, 1)[kinds], list(cells))


def _places(
    cells: Sequence[tuple[int, int]], strides: Sequence[int], each: int, device: torch.device
) -> tuple[Float[Tensor, "P 2"], Float[Tensor, "P 1"], Int[Tensor, " P"]]:
    """Corners and sides of cells, and the place of each anchor's shape among those of all maps."""
    corners, sides, kinds = [], [], []
    for level, ((rows, columns), stride) in enumerate(zip(cells, strides, strict=True)):
        points = grid_points(rows, columns, stride, stride, offset=0, device=device)
        corners.append(points.repeat_interleave(each, 0))
        sides.append(torch.full((len(points) * each, 1), float(stride), device=device))
        kinds.append((torch.arange(each, device=device) + level * each).repeat(len(points)))
    return torch.cat(corners), torch.cat(sides), torch.cat(kinds)


@lru_cache(maxsize=256)
def _kept_places(*place: Any) -> tuple[Tensor, Tensor, Tensor]:
    with torch.inference_mode(False):  # what evaluation keeps, training must be able to use
        return _places(*place)


def decode_yolo(offsets: Float[Tensor, "*B P 4"], grid: AnchorGrid) -> Float[Tensor, "*B P 4"]:
    """Boxes as xyxy of (t_x, t_y, t_w, t_h), in pixels: figure 2's b_x = sigmoid(t_x) + c_x, b_w = p_w exp(t_w)."""
    center = grid.corners + offsets[..., :2].sigmoid() * grid.sides
    size = grid.shapes * offsets[..., 2:].clamp(max=LARGEST_LOG).exp()
    return cxcywh_to_xyxy(torch.cat([center, size], -1))


def encode_yolo(
    xyxy: Float[Tensor, "N 4"], corners: Float[Tensor, "N 2"], sides: Float[Tensor, "N 1"], shapes: Float[Tensor, "N 2"]
) -> Float[Tensor, "N 4"]:
    """What (sigmoid(t_x), sigmoid(t_y), t_w, t_h) should be: places in the cell, 0..1, and logarithms of sizes."""
    box = xyxy_to_cxcywh(xyxy)
    place = ((box[:, :2] - corners) / sides).clamp(0, 1)
    return torch.cat([place, (box[:, 2:] / shapes).log()], -1)


@torch.no_grad()
def match_shapes(
    ground_truths: GroundTruthBatch,
    cells: Sequence[tuple[int, int]],
    strides: Sequence[int],
    shapes: Float[Tensor, "L A 2"],
    also: float,
) -> Int[Tensor, "B P"]:
    """For each image and anchor the row in `ground_truths` that it learns, or -1.

    A box is learned in the cell of its center by the one anchor, of all maps, whose shape overlaps its own most
    (section 2.1), and by every other whose shape overlaps it by more than `also`; 1 is the paper's. Of boxes that share
    an anchor, one for which it is the best goes first, and then the later in the list.
    """
    image, row = ground_truths.present.nonzero(as_tuple=True)
    box = xyxy_to_cxcywh(ground_truths.xyxy[image, row])
    anchors = shapes.shape[1]
    device = shapes.device
    counts = [rows * columns * anchors for rows, columns in cells]
    total, most = sum(counts), ground_truths.xyxy.shape[1]
    sizes = torch.tensor(cells, device=device)
    starts = torch.tensor(list(accumulate([0, *counts[:-1]])), device=device)
    overlap = shape_iou(box[:, 2:], shapes.flatten(0, 1))
    best = torch.zeros_like(overlap, dtype=torch.bool).scatter_(1, overlap.argmax(1, keepdim=True), True)
    which, anchor = (best | (overlap > also)).nonzero(as_tuple=True)
    level = torch.div(anchor, anchors, rounding_mode="floor")
    place = (box[which, :2] / torch.tensor(strides, device=device)[level, None]).long()
    column = place[:, 0].clamp_min(0).minimum(sizes[level, 1] - 1)
    line = place[:, 1].clamp_min(0).minimum(sizes[level, 0] - 1)
    slot = starts[level] + (line * sizes[level, 1] + column) * anchors + anchor % anchors
    # The greatest wins, in whatever order a parallel machine comes to it.
    rank = row[which] + most * best[which, anchor]
    owners = torch.full((len(ground_truths.xyxy) * total,), -1, device=device)
    owners.scatter_reduce_(0, image[which] * total + slot, rank, "amax")
    return torch.where(owners >= 0, owners % most, owners).view(-1, total)


@torch.no_grad()
def overlaps_any(xyxy: Float[Tensor, "B P 4"], ground_truths: GroundTruthBatch, least: float) -> Bool[Tensor, "B P"]:
    """Whether a box overlaps any of its image's true boxes by more than `least`."""
    found = []
    parts = portions(ground_truths, xyxy.shape[1])
    for part, own in zip(parts, xyxy.split([len(part.xyxy) for part in parts]), strict=True):
        boxes = part.xyxy[:, None]
        shared = intersection(own[:, :, None], boxes)
        union = (box_area(own)[:, :, None] + box_area(boxes)).sub_(shared)
        found.append(((shared > union.mul_(least)) & part.present[:, None]).any(-1))
    return torch.cat(found)
