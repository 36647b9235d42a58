"""How it is answered: a network with the loss that trains it and the decoding that reads it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from zorki.contracts.preprocess import Preprocess
from zorki.errors import RecipeError
from zorki.tiles import Stitcher, Tiles
from zorki.types import Placement

O = TypeVar("O")  # raw outputs of a network  # noqa: E741
T = TypeVar("T")  # target
P = TypeVar("P")  # prediction


class Model(nn.Module, ABC, Generic[O, T, P]):
    """A network with the loss that trains it and the decoding that reads it. Knows no file and no metric."""

    preprocess: Preprocess
    suggestions: Mapping[
        str, Any
    ] = {}  # fields of the recipe for where the user said nothing; `rate` is for batches of 128
    walk: Any = None  # images -> every layer run once by shapes alone, for the ledger; None: `forward` does
    normalize: nn.Module  # uint8 pixels to the floats that the network takes; its statistics are buffers
    margin: int = 0  # network pixels along the edges of an input for whose answers the network had no surroundings

    @abstractmethod
    def forward(self, inputs: Any) -> O:
        """Raw outputs, with all that loss and decode need; one type in training and in evaluation.

        `inputs` are what `preprocess` makes: a tensor of images, or a dataclass of tensors.
        """

    @abstractmethod
    def loss(self, outputs: O, targets: Sequence[T]) -> dict[str, Tensor]:
        """Weighted scalars whose sum is minimized; `targets` are in network pixels."""

    @abstractmethod
    def decode(self, outputs: O, placements: Sequence[Placement]) -> list[P]:
        """Answers in the pixels of the original images."""

    def stitcher(self, tiles: Tiles) -> Stitcher[O, P]:
        """What joins the raw outputs for tiles of an image to its answer.

        Raises:
            RecipeError: answers of this kind are about a whole image.
        """
        raise RecipeError(
            f"{type(self).__name__} answers for a whole image, so tiles of it cannot be joined; leave --tile out"
        )

    def after_step(self, progress: float) -> None:
        """Called after each optimizer step with the share of training done; for EMA teachers."""

    def stages(self) -> list[nn.Module]:
        """The backbone's parts from input to output, for freezing and smaller learning rates; head excluded."""
        return []

    def rename_weights(self, names: str) -> str:
        """This model's name for a published weight of that name; the identity where they agree."""
        return names

    def adapt_weights(self, tensors: Mapping[str, Tensor], file: str) -> Mapping[str, Tensor]:
        """Published weights, by their published names, as this model needs their values; `file` is the file's name."""
        return tensors

    def expected_loss(self) -> float | None:
        """The loss of an untrained network that knows nothing, such as log(num_classes); None where unknown."""
        return None
