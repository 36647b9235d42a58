"""Original images to network inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from zorki.types import Placement

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@runtime_checkable
class Preprocess(Protocol):
    """Original images to network inputs; a small picklable value that is saved with the weights."""

    @property
    def size(self) -> int:
        """Pixels of the side to which a square image is brought, before a canvas is rounded up."""

    def __call__(
        self, images: Sequence[Tensor], generators: Sequence[torch.Generator] | None = None
    ) -> tuple[Any, list[Placement]]:
        """uint8 images (3, H, W) of any sizes to network inputs, and where each image sits in them.

        Inputs are one uint8 tensor (B, 3, height, width), or a dataclass of tensors such as `ImagesWithProposals`.
        Of views and clips, (V, 3, H, W) and (T, 3, H, W), they are (B, V, 3, height, width); a placement is that of
        the first view, or of all frames.

        Args:
            generators: one for each image, to draw from what is random, such as the frames of a clip. None, as in
                evaluation and prediction: each draws from one of its own that is always the same, so that no prediction
                depends on chance or on the other images of a batch.
        """

    def whole(self) -> Preprocess:
        """The same without cutting anything off, for training on random crops."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the class's name under "kind"."""
