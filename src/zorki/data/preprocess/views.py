"""Preprocessing of several views of each image: what learns without labels compares them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.contracts import Preprocess
from zorki.errors import RecipeError
from zorki.types import Placement


@dataclass(frozen=True)
class Views:
    """Every view of an image preprocessed by `each`: (V, 3, H, W) to (V, 3, height, width).

    The views themselves are drawn by `TaskData.augment`. An image without a leading axis, as evaluation and prediction
    give, is one view.
    """

    each: Preprocess

    def __call__(
        self, images: Sequence[Tensor], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[UInt8[Tensor, "B V 3 height width"], list[Placement]]:
        """Images of as many views each to one batch. Raises RecipeError where their numbers differ."""
        stacked = [image[None] if image.ndim == 3 else image for image in images]
        return each_of(stacked, self.each, generators, "views")

    @property
    def size(self) -> int:
        return self.each.size

    def whole(self) -> Views:
        return dataclasses.replace(self, each=self.each.whole())

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "Views"."""
        return {"kind": "Views", "each": self.each.to_json()}


def each_of(
    stacks: Sequence[UInt8[Tensor, "V 3 H W"]],
    each: Preprocess,
    generators: Sequence[torch.Generator] | None,
    noun: str,
) -> tuple[UInt8[Tensor, "B V 3 height width"], list[Placement]]:
    """Views or frames preprocessed one by one and stacked again, and the placement of the first of each.

    Raises:
        RecipeError: an image has more views than another, or none.
    """
    counts = {len(stack) for stack in stacks}
    if len(counts) > 1 or 0 in counts:
        raise RecipeError(f"images with {' and '.join(map(str, sorted(counts)))} {noun}; expected as many of each")
    count = counts.pop() if counts else 1
    drawn = None if generators is None else [one for one in generators for _ in range(count)]
    inputs, placements = each([view for stack in stacks for view in stack], drawn)
    return inputs.unflatten(0, (len(stacks), count)), placements[::count]
