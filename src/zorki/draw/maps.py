"""Maps of classes laid over images: colors, edges, and hatching for what is wrong."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

import torch
from jaxtyping import Bool, Integer, UInt8
from torch import Tensor

from zorki.draw.palette import color, mark_color

SHARE = 0.5  # of a class's color in the image
_COLORS = 40  # that differ; labels beyond share them


@cache
def _table() -> UInt8[Tensor, "N 3"]:
    """The colors of all labels."""
    return torch.tensor([color(label) for label in range(_COLORS)], dtype=torch.uint8)


def paint(
    image: UInt8[Tensor, "3 H W"],
    classes: Integer[Tensor, "H W"],
    *,
    bare: Collection[int] = (),
    ignored: Bool[Tensor, "H W"] | None = None,
    colors: UInt8[Tensor, "N 3"] | None = None,
    share: float = SHARE,
) -> UInt8[Tensor, "3 H W"]:
    """The image with each pixel tinted in the color of its class, and edges of classes in full color.

    Args:
        bare: labels that are left as they are, such as a background's; their edges are not drawn either.
        ignored: pixels that are gray whatever their label.
        colors: RGB of the labels from 0 on, where they are not those of the project's palette.
        share: of the color in a tinted pixel, 0..1.
    """
    color_table = _table() if colors is None else colors
    labels = classes.long() % len(color_table)
    strength = torch.full(classes.shape, round(share * 256), dtype=torch.int16)
    strength[edges(classes)] = 256
    for label in bare:
        strength[classes == label] = 0
    if ignored is not None:
        labels = labels.where(~ignored, len(color_table))
        strength[ignored] = 192
    # Plane by plane, so that no three-channel copy of wider numbers is made of a large image.
    painted = torch.empty(image.shape, dtype=torch.uint8)
    table = torch.cat([color_table, torch.tensor([mark_color(None)], dtype=torch.uint8)]).short()
    for channel in range(3):
        tint, under = table[:, channel][labels], image[channel].short()
        painted[channel] = under + (((tint - under) * strength.int()) >> 8).short()
    return painted


def edges(classes: Integer[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """Pixels beside one of another class: above, below, left or right."""
    found = torch.zeros(classes.shape, dtype=torch.bool)
    down, across = classes[1:] != classes[:-1], classes[:, 1:] != classes[:, :-1]
    found[1:] |= down
    found[:-1] |= down
    found[:, 1:] |= across
    found[:, :-1] |= across
    return found


def resized(numbers: Integer[Tensor, "H W"], height: int, width: int) -> Integer[Tensor, "h w"]:
    """A map at another size: the number at the middle of each new pixel."""
    sides = zip((height, width), numbers.shape, strict=True)
    rows, columns = (((torch.arange(new) + 0.5) * (old / new)).long() for new, old in sides)
    return numbers[rows][:, columns]


def hatch(
    image: UInt8[Tensor, "3 H W"], where: Bool[Tensor, "H W"], period: int = 6, width: int = 2
) -> UInt8[Tensor, "3 H W"]:
    """The image with black and white diagonal stripes over some pixels; `period` and `width` are in pixels.

    Stripes are told from every color, in every kind of color blindness.
    """
    height, wide = where.shape
    place = (torch.arange(height)[:, None] + torch.arange(wide)) % period
    striped = image.clone()
    striped[:, where & (place < width)] = 0
    striped[:, where & (place == width)] = 255
    return striped
