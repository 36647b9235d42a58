"""What a network can do that is trained for a style."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from zorki.types.stylization import StyleImage

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from torch import Tensor


@runtime_checkable
class TakesStyle(Protocol):
    """A model that learns one style."""

    def take_style(
        self,
        styles: list[StyleImage],
        contents: UInt8[Tensor, "N 3 H W"],
        *,
        size: int,
        strength: float,
        smoothness: float,
    ) -> None:
        """Keeps what its losses need to know of the style.

        Args:
            styles: with their shares; regions mean nothing here.
            contents: some of the images to learn from, by which losses are brought to one scale.
            size: pixels of the longer side of each style.
            strength: share of the style's loss, 0..1.
            smoothness: weight of the total variation.
        """
