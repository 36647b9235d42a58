"""Preprocessing for networks on precomputed proposals: R-CNN, SPP-net, Fast R-CNN."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zorki.data.loading.stored_work import precompute_all
from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.proposal_cache import ProposalSearch
from zorki.data.preprocess.selective_search import SearchMode
from zorki.errors import RecipeError
from zorki.ops.boxes import clip_boxes, is_large_enough
from zorki.output import say
from zorki.types import ImagesWithProposals, Placement


@dataclass(frozen=True)
class LetterboxWithProposals:
    """A `Letterbox`, with the regions that selective search proposes in each image.

    A search takes from a tenth of a second to seconds, so its results are kept on disk, see `ProposalSearch`:
    `precompute` fills that memory for a whole dataset beforehand. Varying pixels (colors, crops, scales) makes new
    images, each searched anew; mirroring does not.

    Args:
        size: longer side of the image in the network, in pixels.
        stride: the canvas's sides are multiples of it.
        proposals: regions an image, at most; the best.
        mode: "fast" or "quality" (about ten times slower, twice as many regions), see `selective_search`.
        search_size: longer side at which images are searched, in pixels; 0 takes `size`.
        min_side: narrower regions are left out, in pixels of the network's input.
    """

    size: int
    stride: int = 32
    proposals: int = 2000
    mode: SearchMode = "fast"
    search_size: int = 0
    min_side: float = 8.0

    def __post_init__(self) -> None:
        if min(self.size, self.stride, self.proposals) < 1 or self.search_size < 0:
            raise RecipeError(
                "LetterboxWithProposals: expected a size, stride and count of proposals of at least 1 and a "
                f"search_size of at least 0; got {self.size}, {self.stride}, {self.proposals} and {self.search_size}"
            )
        if self.mode not in ("fast", "quality"):
            raise RecipeError(f"LetterboxWithProposals: mode must be fast or quality, but is {self.mode!r}")
        if max(self.size, self.search_size) > torch.iinfo(torch.int16).max:
            raise RecipeError(
                f"LetterboxWithProposals: sizes must lie below 32768 pixels, but are {self.size} and {self.search_size}"
            )

    @property
    def pixels(self) -> Letterbox:
        """What becomes of the images themselves."""
        return Letterbox(self.size, self.stride)

    @property
    def search(self) -> ProposalSearch:
        """What is asked for proposals."""
        return ProposalSearch(self.mode, self.search_size or self.size)

    def __call__(
        self, images: Sequence[Tensor], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[ImagesWithProposals, list[Placement]]:
        """uint8 images (3, H, W) of any sizes to one batch with regions in its pixels.

        Raises:
            RecipeError: one is a clip.
            ZorkiError: a search is needed and OpenCV lacks it, or its result could not be kept.
        """
        batch, placements = self.pixels(images)
        assert isinstance(batch, Tensor)
        regions = [self._regions(image, placement) for image, placement in zip(images, placements, strict=True)]
        return ImagesWithProposals(batch, regions), placements

    def _regions(self, image: Tensor, placement: Placement) -> Tensor:
        found = self.search(image) * placement.scale + torch.tensor([placement.left, placement.top] * 2)
        found = clip_boxes(found, placement.input_height, placement.input_width)
        return found[is_large_enough(found, self.min_side)][: self.proposals]

    def precompute(
        self, images: Callable[[int], Tensor], count: int, *, workers: int, say: Callable[[str], None] = say
    ) -> int:
        """Searches what is not known yet among the images 0..count-1, in parallel; see `precompute_all`."""
        return precompute_all(self.search, images, count, workers=workers, say=say)

    def whole(self) -> LetterboxWithProposals:
        """Itself: it cuts nothing off."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain values, with "kind": "LetterboxWithProposals"."""
        return {"kind": "LetterboxWithProposals", **dataclasses.asdict(self)}
