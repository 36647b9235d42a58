"""What a pretrained backbone says of an image, and of views of it."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from zorki.types import Embedding


@dataclass
class Representation(Embedding[Tensor]):
    """Features of an image as a point on the unit sphere, as `zorki embed` writes them.

    Attributes:
        length: of the features before they were made one of length 1: with it a linear probe sees them as they are.
        views: features of two random views of the image, of length 1, which evaluation compares; None elsewhere.
    """

    length: float = 1.0
    views: Float[Tensor, "2 D"] | None = None
