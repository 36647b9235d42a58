"""What the transformer of DETR reads of a batch: the tokens of its images, and where each of them lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor, nn

from zorki.tasks.detection.models.detr.canvas import lines_of, shrink_lines, sine_positions
from zorki.types import Padded


@dataclass
class CanvasTokens:
    """The N cells of the last feature map, row by row.

    Attributes:
        features: of each cell.
        positions: their sines and cosines.
        mask: which cells the image covers; the others are canvas.
        rows, columns: which rows and which columns of the map the image covers.
        frames: xyxy, where the image lies on the canvas, in input pixels.
    """

    features: Float[Tensor, "B N D"]
    positions: Float[Tensor, "B N D"]
    mask: Bool[Tensor, "B N"]
    rows: Bool[Tensor, "B h"]
    columns: Bool[Tensor, "B w"]
    frames: Float[Tensor, "B 4"]

    def centers(self) -> Float[Tensor, "B N 2"]:
        """The middle (x, y) of each cell in shares of the image; of cells of the canvas the nearest edge."""
        x, y = (_middles(lines) for lines in (self.columns, self.rows))
        height, width = y.shape[1], x.shape[1]
        return torch.stack([x[:, None].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], -1).flatten(1, 2)


def canvas_tokens(
    inputs: Padded | Num[Tensor, "B C H W"], normalize: nn.Module, features_of: Callable[[Tensor], Tensor]
) -> CanvasTokens:
    """The tokens of uint8 images; the canvas around them is zero for the backbone. Bare images have no canvas.

    Args:
        normalize: puts pixels on the backbone's scale.
        features_of: the backbone and the projection to the transformer's width.
    """
    height, width = inputs.shape[-2:]
    if isinstance(inputs, Tensor):
        inputs = Padded(inputs, torch.tensor([[0, 0, width, height]], device=inputs.device).expand(len(inputs), -1))
    rows, columns = lines_of(inputs.valid, height, width)
    pixels = normalize(inputs.images) * (rows[:, :, None] & columns[:, None])[:, None]
    features = features_of(pixels)
    height, width = features.shape[-2:]
    rows, columns = shrink_lines(rows, height), shrink_lines(columns, width)
    return CanvasTokens(
        features.flatten(2).transpose(1, 2),
        sine_positions(rows, columns, features.shape[1]),
        (rows[:, :, None] & columns[:, None]).flatten(1),
        rows,
        columns,
        inputs.valid.float(),
    )


def shares_of(xyxy: Float[Tensor, "B M 4"], frames: Float[Tensor, "B 4"]) -> Float[Tensor, "B M 4"]:
    """Boxes in input pixels as shares of the image that lies in its frame."""
    low, high = frames[:, None, :2], frames[:, None, 2:]
    return (xyxy - low.repeat(1, 1, 2)) / (high - low).repeat(1, 1, 2)


def pixels_of(xyxy: Float[Tensor, "B M 4"], frames: Float[Tensor, "B 4"]) -> Float[Tensor, "B M 4"]:
    """Boxes in shares of the image as input pixels: undoes `shares_of`."""
    low, high = frames[:, None, :2], frames[:, None, 2:]
    return xyxy * (high - low).repeat(1, 1, 2) + low.repeat(1, 1, 2)


def _middles(lines: Bool[Tensor, "B N"]) -> Float[Tensor, "B N"]:
    place = lines.int().cumsum(1).float()
    return ((place - 0.5) / place[:, -1:].clamp_min(1)).clamp(0, 1)
