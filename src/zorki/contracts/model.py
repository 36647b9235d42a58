"""A model: a network with the loss that trains it and the decoding that reads it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from zorki.contracts.preprocess import Preprocess
from zorki.contracts.training_defaults import TrainingDefaults
from zorki.types import Placement
from zorki.weights.weight_map import WeightMap

O = TypeVar("O")  # raw outputs of a network  # noqa: E741
T = TypeVar("T")  # target
P = TypeVar("P")  # prediction


class Model(nn.Module, ABC, Generic[O, T, P]):
    """A network with the loss that trains it and the decoding that reads it. Knows no file and no metric.

    Four methods and three values. What only some networks can do is a protocol in `zorki.contracts.capabilities`.
    """

    preprocess: Preprocess
    defaults: TrainingDefaults = TrainingDefaults()
    weight_map: WeightMap = WeightMap({"": ""})  # published weights have our own names

    @abstractmethod
    def forward(self, inputs: Any) -> O:
        """Raw outputs, with all that loss and decode need; one type in training and in evaluation.

        `inputs` are what `preprocess` makes: a tensor of uint8 images, or a dataclass of tensors.
        """

    @abstractmethod
    def loss(self, outputs: O, targets: Sequence[T]) -> dict[str, Tensor]:
        """Weighted scalars whose sum is minimized, and nothing else; `targets` are in network pixels."""

    @abstractmethod
    def decode(self, outputs: O, placements: Sequence[Placement]) -> list[P]:
        """Predictions in the pixels of the original images."""

    def restore_preprocess(self, saved: Preprocess) -> None:
        """Takes the preprocessing that was saved beside its weights."""
        self.preprocess = saved

    def backbone_stages(self) -> list[nn.Module]:
        """The backbone's parts from input to output, for freezing and smaller learning rates; head excluded."""
        return []
