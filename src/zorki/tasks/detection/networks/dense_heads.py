"""Heads that predict in every cell of every map: convolution towers, where the cells lie, and the best cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from zorki.errors import RecipeError
from zorki.nn.layers.initialize import initialize_he
from zorki.nn.layers.separable import MapNorm2d, depthwise
from zorki.nn.necks.fpn import pyramid_published
from zorki.ops.anchors import grid_points, place_anchors

PRIOR = 0.01  # of an untrained sigmoid: almost every anchor is background (Lin et al., 2017, section 3.3)
Shapes = tuple[tuple[float, float], ...]  # width and height of the anchors of one level, in pixels


class Tower(nn.Sequential):
    """3x3 convolutions with ReLU, shared by all levels (Lin et al., 2017, section 4); by choice with group norm.

    There are 32 groups, or fewer of four channels each: a single value has no spread to divide by.

    Raises:
        RecipeError: the channels cannot be put into groups.
    """

    def __init__(self, channels: int, depth: int = 4, *, norm: bool = False) -> None:
        groups = max(1, min(32, channels // 4))
        if norm and channels % groups:
            raise RecipeError(f"channels={channels} cannot be normed in {groups} groups of one size; take 64 or 128")
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers.append(quiet_convolution(channels, channels))
            if norm:
                layers.append(nn.GroupNorm(groups, channels))
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)

    def levels(self, maps: Sequence[Float[Tensor, "B C _ _"]]) -> list[Float[Tensor, "B C _ _"]]:
        """Of every level."""
        return [self(one) for one in maps]


class SeparableTower(nn.Module):
    """Depthwise-separable convolutions, shared by all levels; the batch norms are each level's own.

    Levels have statistics of their own, which the running averages of a shared norm would mix up; EfficientDet (Tan et
    al., 2020) has it so. Batch norms go into the
    convolutions where the network is exported; group norms would stay.
    """

    def __init__(self, channels: int, depth: int, levels: int) -> None:
        super().__init__()
        pairs = [(depthwise(channels), nn.Conv2d(channels, channels, 1, bias=False)) for _ in range(depth)]
        self.convolutions = nn.ModuleList(layer for pair in pairs for layer in pair)
        initialize_he(self)
        self.norms = nn.ModuleList(nn.ModuleList(MapNorm2d(channels) for _ in self.convolutions) for _ in range(levels))

    def levels(self, maps: Sequence[Float[Tensor, "B C _ _"]]) -> list[Float[Tensor, "B C _ _"]]:
        """Of every level."""
        return [self._level(one, norms) for one, norms in zip(maps, self.norms, strict=True)]

    def _level(self, x: Tensor, norms: nn.Module) -> Tensor:
        assert isinstance(norms, nn.ModuleList)
        for convolution, norm in zip(self.convolutions, norms, strict=True):
            x = functional.relu6(norm(convolution(x)), inplace=True)
        return x


def quiet_convolution(in_channels: int, out_channels: int, *, prior: float | None = None, kernel: int = 3) -> nn.Conv2d:
    """A convolution that starts with small weights.

    Args:
        prior: the probability of an untrained sigmoid; None starts the bias at 0. Almost every anchor is
            background, and without this the first steps only undo a huge loss (section 3.3).
    """
    convolution = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
    nn.init.normal_(convolution.weight, std=0.01)
    assert convolution.bias is not None
    nn.init.constant_(convolution.bias, 0.0 if prior is None else prior_logit(prior))
    return convolution


def prior_logit(prior: float) -> float:
    """The logit of a probability, between 0 and 1.

    >>> round(prior_logit(0.01), 2)
    -4.6
    """
    return -math.log((1 - prior) / prior)


def rows_of(predictions: Float[Tensor, "B _ H W"], values: int) -> Float[Tensor, "B N {values}"]:
    """Outputs of a convolution as rows of so many values: cell by cell, and in a cell anchor by anchor."""
    return predictions.permute(0, 2, 3, 1).reshape(predictions.shape[0], -1, values)


def level_points(
    maps: Sequence[Tensor], strides: Sequence[int], size: tuple[int, int], grid: Literal["centered", "corner"]
) -> list[Float[Tensor, "P 2"]]:
    """(x, y) in input pixels of the cells of each map (B, C, h, w); made once for each shape.

    Args:
        size: of the input, (height, width).
        grid: "centered" puts cells `stride` apart with as much room on the left as on the right, which is where the
            cells of networks without padding (SqueezeNet) and of even kernels look. "corner" starts in the corner, and
            takes the whole part of size / cells for the stride, as torchvision does.
    """
    make = _points if torch.compiler.is_compiling() else _kept_points  # what is traced must not be kept
    return [
        make((m.shape[2], m.shape[3]), stride, size, grid, m.device) for m, stride in zip(maps, strides, strict=True)
    ]


def level_anchors(
    maps: Sequence[Tensor],
    strides: Sequence[int],
    size: tuple[int, int],
    grid: Literal["centered", "corner"],
    shapes: Sequence[Shapes],
) -> list[Float[Tensor, "N 4"]]:
    """The anchors of each map, xyxy, all shapes about the first cell first; made once for each shape of maps."""
    make = _anchors if torch.compiler.is_compiling() else _kept_anchors
    return [
        make((m.shape[2], m.shape[3]), stride, size, grid, m.device, some)
        for m, stride, some in zip(maps, strides, shapes, strict=True)
    ]


def _points(
    cells: tuple[int, int], stride: int, size: tuple[int, int], grid: str, device: torch.device
) -> Float[Tensor, "P 2"]:
    (height, width), (rows, columns) = size, cells
    if grid == "corner":
        return grid_points(rows, columns, height // rows, width // columns, offset=0, device=device)
    first = torch.tensor([width - (columns - 1) * stride, height - (rows - 1) * stride], device=device) / 2
    return grid_points(rows, columns, stride, stride, offset=0, device=device) + first


def _anchors(
    cells: tuple[int, int], stride: int, size: tuple[int, int], grid: str, device: torch.device, shapes: Shapes
) -> Float[Tensor, "N 4"]:
    points = _points(cells, stride, size, grid, device)
    return place_anchors(points, torch.tensor(shapes, device=device))


@lru_cache(maxsize=256)
def _kept_points(*place: Any) -> Float[Tensor, "P 2"]:
    with torch.inference_mode(False):  # what evaluation keeps, training must be able to use
        return _points(*place)


@lru_cache(maxsize=256)
def _kept_anchors(*place: Any) -> Float[Tensor, "N 4"]:
    with torch.inference_mode(False):
        return _anchors(*place)


def strongest_rows(strength: Float[Tensor, "B N"], most: int) -> Int[Tensor, "B R"]:
    """The rows of greatest strength, at most so many."""
    return strength.topk(min(most, strength.shape[1])).indices


def take_rows(values: Float[Tensor, "B N D"], rows: Int[Tensor, "B R"]) -> Float[Tensor, "B R D"]:
    """Rows of each image."""
    return values.gather(1, rows[:, :, None].expand(-1, -1, values.shape[2]))


def best_classes(
    scores: Float[Tensor, "B R K"], most: int
) -> tuple[Float[Tensor, "B M"], Int[Tensor, "B M"], Int[Tensor, "B M"]]:
    """The best scores of all rows and classes, at most so many, with their rows and their classes."""
    classes = scores.shape[2]
    best, place = scores.flatten(1).topk(min(most, scores.shape[1] * classes))
    return best, torch.div(place, classes, rounding_mode="floor"), place % classes


def tower_published(theirs: str, ours: str, depth: int = 4) -> dict[str, str]:
    """Where torchvision's names of a tower's weights stand, in files of all its versions."""
    names = {f"head.{theirs}.conv.": f"{ours}."}
    # Newer ones count convolutions, older ones and ours count layers.
    names.update({f"head.{theirs}.conv.{index}.0.": f"{ours}.{2 * index}." for index in range(depth)})
    return names


def dense_published() -> dict[str, str]:
    """Where torchvision's names of a pyramid of three maps, of two towers on it, and of their outputs stand."""
    return {
        **pyramid_published(3),
        **tower_published("classification_head", "class_tower"),
        **tower_published("regression_head", "box_tower"),
        "head.classification_head.cls_logits.": "class_output.",
        "head.regression_head.bbox_reg.": "box_output.",
    }
