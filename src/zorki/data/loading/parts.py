"""Batches of images too large to be held together: preprocessed some at a time, and then one batch all the same."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from zorki.contracts import Preprocess
from zorki.contracts.capabilities import JoinsParts, LooksAtRegions
from zorki.data.preprocess.canvas import Part
from zorki.types import Boxes, Frames

if TYPE_CHECKING:
    import torch
    from numpy import ndarray
    from torch import Tensor

MAX_HELD_PIXELS = 1 << 25
"""Pixels of decoded images that a batch holds at once, but for one image: 100 MB."""


class Parts:
    """Images one after the other to one batch, of which few are held at a time.

    The batch is that of `preprocess` of all images at once, to the bit. Preprocessing that cannot join parts
    (`JoinsParts`) holds them all.

    Args:
        generators: one for each image, as they come; see `Preprocess`.
        most: pixels that are held.
    """

    def __init__(
        self,
        preprocess: Preprocess,
        generators: Sequence[torch.Generator] | None = None,
        *,
        most: int = MAX_HELD_PIXELS,
    ) -> None:
        self._preprocess, self._generators, self._most = preprocess, generators, most
        self._held: list[Any] = []
        self._regions: list[Boxes | None] = []
        self._parts: list[Part] = []
        self._joins = isinstance(preprocess, JoinsParts)

    def add(self, image: Tensor | ndarray | Frames, regions: Boxes | None = None) -> None:
        """The next image, which is let go as soon as there are too many pixels.

        Args:
            regions: of the image, for preprocessing that `LooksAtRegions`; None: the image as a whole.
        """
        self._held.append(image)
        self._regions.append(regions)
        if self._joins and sum(prod(image.shape) // 3 for image in self._held) > self._most:
            self._parts.append(self._preprocess(self._held))
            self._held = []

    def finish(self) -> Part:
        """Inputs and placements of all images. Raises RecipeError as the preprocessing does."""
        if not self._parts:
            if isinstance(self._preprocess, LooksAtRegions):
                return self._preprocess.in_regions(self._held, self._regions, self._generators)
            return self._preprocess(self._held, self._generators)
        if self._held:
            self._parts.append(self._preprocess(self._held))
            self._held = []
        assert isinstance(self._preprocess, JoinsParts)
        return self._preprocess.join(self._parts) if len(self._parts) > 1 else self._parts[0]
