"""YOLO v1's cells: which cell learns which box, and boxes as a cell sees them (Redmon et al., 2016, section 2)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from zorki.ops.anchors import grid_points
from zorki.ops.boxes import box_area, cxcywh_to_xyxy, xyxy_to_cxcywh
from zorki.tasks.detection.networks.target_assignment import GroundTruthBatch


def encode_cells(
    xyxy: Float[Tensor, "M 4"], cell: Int[Tensor, " M"], cells: tuple[int, int], size: tuple[int, int]
) -> Float[Tensor, "M 4"]:
    """Places of boxes in their cells, and square roots of their shares of the image, all 0..1."""
    (rows, columns), (height, width) = cells, size
    box = xyxy_to_cxcywh(xyxy)
    x = box[:, 0] / width * columns - cell % columns
    y = box[:, 1] / height * rows - torch.div(cell, columns, rounding_mode="floor")
    share = (box[:, 2:] / box.new_tensor([width, height])).sqrt()
    return torch.cat([torch.stack([x, y], 1), share], 1).clamp(0, 1)


def decode_cells(
    shares: Float[Tensor, "B S N 4"], cells: tuple[int, int], size: tuple[int, int]
) -> Float[Tensor, "B S N 4"]:
    """Boxes as xyxy in network pixels: the inverse of `encode_cells`, for all N predictors of all cells."""
    (rows, columns), (height, width) = cells, size
    side = shares.new_tensor([width / columns, height / rows])
    corners = grid_points(rows, columns, height / rows, width / columns, offset=0, device=shares.device)
    center = corners[:, None] + shares[..., :2] * side
    return cxcywh_to_xyxy(torch.cat([center, shares[..., 2:].square() * shares.new_tensor([width, height])], -1))


@torch.no_grad()
def owners_of_cells(
    ground_truths: GroundTruthBatch, cells: tuple[int, int], size: tuple[int, int]
) -> tuple[Int[Tensor, " M"], Int[Tensor, " M"], Int[Tensor, " M"]]:
    """The boxes that are learned: their image, the cell of their center, and their row in `ground_truths`.

    Centers outside of the image belong to the nearest cell. Of boxes of one cell the largest is learned, of equals
    the last.
    """
    (rows, columns), (height, width) = cells, size
    image, row = ground_truths.present.nonzero(as_tuple=True)
    box = ground_truths.xyxy[image, row]
    center = xyxy_to_cxcywh(box)
    column = (center[:, 0] / width * columns).long().clamp(0, columns - 1)
    line = (center[:, 1] / height * rows).long().clamp(0, rows - 1)
    order = box_area(box).argsort(stable=True)
    slot = (image * rows * columns + line * columns + column)[order]
    # The greatest rank wins, in whatever order a parallel machine comes to it.
    winner = torch.full((len(ground_truths.xyxy) * rows * columns,), -1, device=box.device)
    winner.scatter_reduce_(0, slot, torch.arange(len(order), device=box.device), "amax")
    learned = winner[winner >= 0]
    place = slot[learned]
    return image[order[learned]], place % (rows * columns), row[order[learned]]


def responsible(overlap: Float[Tensor, "M N"], errors: Float[Tensor, "M N"]) -> Int[Tensor, " M"]:
    """For each box the predictor that overlaps it most (section 2); the one of least error where none overlaps it."""
    touched = overlap.amax(1, keepdim=True) > 0
    return torch.where(touched, overlap, -errors).argmax(1)
