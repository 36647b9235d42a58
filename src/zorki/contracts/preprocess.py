"""Original images to network inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from zorki.types import Placement


@runtime_checkable
class Preprocess(Protocol):
    """Original images to network inputs; a small picklable value that is saved with the weights."""

    @property
    def size(self) -> int:
        """Pixels of the side to which a square image is brought, before a canvas is rounded up."""

    def __call__(self, images: Sequence[Tensor]) -> tuple[Any, list[Placement]]:
        """uint8 images (3, H, W) of any sizes to network inputs, and where each image sits in them.

        Inputs are one uint8 tensor (B, 3, height, width), or a dataclass of tensors such as `ImagesWithProposals`.
        """

    def whole(self) -> Preprocess:
        """The same without cutting anything off, for training on random crops."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the class's name under "kind"."""
