"""Styles as they are typed: one image, several with weights, each with the region where it goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zorki.data.images import MAX_PIXELS, read_image
from zorki.errors import RecipeError
from zorki.types.stylization import StyleImage

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

EXPECTED = "expected an image, or several with weights: a.jpg:.7,b.jpg:.3"
BUILT_IN = "scenes:strokes"
"""The name of the built-in style."""


def parse_styles(text: str) -> list[tuple[str, float]]:
    """Files and weights.

    >>> parse_styles("a.jpg:.7,b.jpg:.3")
    [('a.jpg', 0.7), ('b.jpg', 0.3)]

    Raises:
        RecipeError: a weight is not above 0, or there is no file's name.
    """
    if text == BUILT_IN or Path(text).is_file():  # whatever commas and colons its name has
        return [(text, 1.0)]
    return [_with_weight(part.strip(), text) for part in text.split(",")]


def _with_weight(part: str, text: str) -> tuple[str, float]:
    name, _, number = part.rpartition(":")
    if part == BUILT_IN or Path(part).is_file():
        name, weight = part, 1.0
    else:
        try:
            weight = float(number)
        except ValueError:
            if Path(name).is_file():
                raise RecipeError(f"style {text!r}: {number!r} is no weight; {EXPECTED}, weights above 0") from None
            name, weight = part, 1.0
    if not name or not (math.isfinite(weight) and weight > 0):
        raise RecipeError(f"style {text!r}: {EXPECTED}, weights above 0")
    return name, weight


def read_styles(text: str, masks: Sequence[str] = ()) -> list[StyleImage]:
    """The styles that a text names, with the regions of masks: images whose bright parts are where a style goes.

    Args:
        masks: as many as styles, in their order; "-" for a style that goes everywhere. None at all: all do.

    Raises:
        RecipeError: the text names none, or there are more or fewer masks than styles.
        DataError: an image cannot be read.
    """
    named = parse_styles(text)
    if masks and len(masks) != len(named):
        raise RecipeError(f"{len(named)} styles and {len(masks)} masks; expected one for each style, - for everywhere")
    regions = [None if mask == "-" else read_mask(Path(mask)) for mask in masks] or [None] * len(named)
    return [StyleImage(_image(name), weight, region) for (name, weight), region in zip(named, regions, strict=True)]


def _image(name: str) -> Tensor:
    if name == BUILT_IN:
        from zorki.data.strokes import paint_strokes

        return paint_strokes()
    return read_image(Path(name), max_pixels=MAX_PIXELS)


def read_mask(path: Path) -> Float[Tensor, "h w"]:
    """The brightness of an image, 0..1. Raises DataError where it is black all over, or cannot be read."""
    brightness = read_image(path, max_pixels=MAX_PIXELS).float().mean(0) / 255
    if not float(brightness.max()) > 0:
        raise RecipeError(f"{path}: the mask is black all over; its bright parts are where the style goes")
    return brightness
