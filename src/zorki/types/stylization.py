"""Style transfer of one image: what a model is given, and what it tells on its way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from zorki.errors import RecipeError

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8
    from torch import Tensor

_WORDS = {
    "optimizer": ("lbfgs", "adam"), "start": ("content", "noise"), "preserve_color": ("none", "luminance", "histogram")
}  # fmt: skip

MIN_SIDE = 32
"""Pixels of the longer side of an image that deep layers still see something of."""


@dataclass
class StyleImage:
    """A style, its share among several, and where it goes.

    Attributes:
        image: of any size.
        weight: above 0; those of all styles are brought to a sum of 1.
        mask: where on the content this style goes, 0..1, stretched over the content; None: everywhere.
    """

    image: UInt8[Tensor, "3 H W"]
    weight: float = 1.0
    mask: Float[Tensor, "h w"] | None = None


@dataclass(frozen=True)
class Stylization:
    """How an image is optimized. Raises RecipeError for values out of range.

    Attributes:
        size: pixels of the result's longer side; None: of the content's.
        steps: evaluations of the losses at the coarsest size; half as many at each finer one.
        strength: share of the style's loss in the sum, 0..1, each loss divided by what it is at step 0.
        smoothness: weight of the total variation, divided by that of the content.
        optimizer: "lbfgs" or "adam".
        lr: of the optimizer; None: 1 for lbfgs, .05 for adam.
        start: from the content, or from noise.
        style_size: scale of the strokes: the style's longer side, as a share of the result's.
        preserve_color: keep the content's colors: "luminance" gives the style to the brightness alone, "histogram"
            gives the content's colors to the style before.
        coarse: pixels of the longer side of the coarsest size; each finer one is twice as large, at most.
        tile: pixels of a side of the parts in which the losses of larger images are computed, to the same sums.
        seed: of the noise.
    """

    size: int | None = None
    steps: int = 200
    strength: float = 0.5
    smoothness: float = 0.0
    optimizer: str = "lbfgs"
    lr: float | None = None
    start: str = "content"
    style_size: float = 1.0
    preserve_color: str = "none"
    coarse: int = 512
    tile: int = 768
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("steps", 1, math.inf), ("strength", 0, 1), ("smoothness", 0, math.inf), ("style_size", 1 / 16, 16),
            ("coarse", MIN_SIDE, math.inf), ("tile", 128, math.inf), ("seed", 0, 2**63 - 1),
        ):  # fmt: skip
            _check_range(name, getattr(self, name), low, high)
        for name, low in (("size", MIN_SIDE), ("lr", 1e-9)):
            if getattr(self, name) is not None:
                _check_range(name, getattr(self, name), low, math.inf)
        for name, words in _WORDS.items():
            if (value := getattr(self, name)) not in words:
                raise RecipeError(f"{name} is {value!r}; expected one of {', '.join(words)}")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Of the settings."""
        return tuple(one.name for one in fields(cls))


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        most = "" if high in (math.inf, 2**63 - 1) else f" and at most {high:g}"
        raise RecipeError(f"{name} is {value:g}; expected at least {low:g}{most}")


@dataclass(frozen=True)
class StylizationStep:
    """One evaluation of the losses, which are divided by what they are at step 0 (see `Stylization.strength`).

    Attributes:
        step, steps: of how many over all sizes, from 1.
        side: pixels of the longer side at present.
        seconds: since the beginning.
        image: makes the image so far, in the size of the present.
    """

    step: int
    steps: int
    side: int
    seconds: float
    content: float
    style: float
    smoothness: float
    total: float
    image: Callable[[], UInt8[Tensor, "3 H W"]]
