"""Objects of overlapping tiles joined to those of the image: found by their boxes, put together from their masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from zorki.errors import DataError
from zorki.ops.packing import tight_boxes
from zorki.tasks.detection.networks.box_stitcher import ALIKE, join_boxes
from zorki.tiles import Stitcher, Tiles
from zorki.types import Boxes, Instances, Placement

O = TypeVar("O")  # raw outputs of a network  # noqa: E741

MAX_BYTES = 8_000_000_000
"""What the masks of one image may take, one byte a pixel of the image for each object."""


@dataclass(frozen=True)
class _Piece:
    """The part of a mask that is not empty, and where it lies in the image."""

    mask: Bool[Tensor, "h w"]
    top: int
    left: int


class MaskStitcher(Stitcher[O, Instances]):
    """Collects the objects of all tiles, their masks cut to what is in them, and joins them at the end.

    Objects are joined as `join_boxes` joins their boxes. What a tile has whole keeps its mask, whatever others saw of
    it; an object that no tile saw whole has the pixels of all its parts.

    Args:
        decode: the model's, to the objects of each tile in the pixels of the tile.
        max_iou: of the boxes of two objects of a class from different tiles that both stay.
    """

    def __init__(
        self, decode: Callable[[O, Sequence[Placement]], list[Instances]], tiles: Tiles, max_iou: float = ALIKE
    ) -> None:
        self.decode, self.tiles, self.max_iou = decode, tiles, max_iou
        self.windows = iter(tiles)
        self.found: list[Boxes] = []
        self.pieces: list[_Piece] = []

    def add(self, outputs: O, placements: Sequence[Placement]) -> None:
        for objects in self.decode(outputs, placements):
            window = next(self.windows)
            self.found.append(Boxes(objects.xyxy, objects.labels, objects.scores))
            for mask, box in zip(objects.masks, tight_boxes(objects.masks).long().tolist(), strict=True):
                left, top, right, bottom = box
                piece = mask[top:bottom, left:right].clone()  # a view would hold all masks of the tile
                self.pieces.append(_Piece(piece, window.top + top, window.left + left))

    def finish(self) -> Instances:
        """The objects of the image, best first.

        Raises:
            DataError: there are so many, in so large an image, that their masks would take more than MAX_BYTES.
        """
        boxes, parts = join_boxes(self.found, self.tiles, self.max_iou)
        height, width = self.tiles.height, self.tiles.width
        if len(boxes) * height * width > MAX_BYTES:
            raise DataError(
                f"{len(boxes)} objects in an image of {width} x {height}: their masks would take "
                f"{len(boxes) * height * width / 1e9:.0f} GB, and at most {MAX_BYTES / 1e9:.0f} are allowed; cut the "
                "image into several files"
            )
        masks = torch.zeros((len(boxes), height, width), dtype=torch.bool)
        for place, row in enumerate(self._shown(boxes, parts)):
            if row >= 0:
                piece = self.pieces[place]
                bottom, right = piece.top + piece.mask.shape[0], piece.left + piece.mask.shape[1]
                masks[row, piece.top : bottom, piece.left : right] |= piece.mask
        return Instances(boxes.xyxy, boxes.labels, masks, boxes.scores)

    def _shown(self, boxes: Boxes, parts: Int[Tensor, " N"]) -> list[int]:
        """For every piece the row that it is shown in, -1 for none: parts of what a tile has whole are not."""
        corners = torch.tensor([(window.left, window.top) * 2 for window in self.tiles], dtype=torch.float32)
        counts = torch.tensor([len(found) for found in self.found])
        xyxy = torch.cat([found.xyxy.float() for found in self.found]) + corners.repeat_interleave(counts, 0)
        whole = (parts >= 0) & (xyxy == boxes.xyxy[parts.clamp_min(0)]).all(1) if len(boxes) else parts >= 0
        has_whole = torch.zeros(len(boxes), dtype=torch.bool)
        has_whole[parts[whole]] = True
        hidden = ~whole & (parts >= 0) & has_whole[parts.clamp_min(0)] if len(boxes) else parts < 0
        return torch.where(hidden, -1, parts).tolist()  # type: ignore[no-any-return]
