"""How the data of a task are read, varied and counted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from zorki.class_selection import ClassSelection
from zorki.contracts.dataset import Dataset
from zorki.contracts.sampler import Sampler
from zorki.contracts.statistics import DatasetStatistics
from zorki.errors import ZorkiError
from zorki.types import Batch, ClassInfo, Sample

if TYPE_CHECKING:
    import torch

    from zorki.contracts.model import Model

T = TypeVar("T")  # target


class TaskData(ABC, Generic[T]):
    """The data of a task: reading and augmenting are its own; what most tasks have alike has a default.

    Recipes are of the task's own kind, its `settings`.
    """

    needs: ClassVar[tuple[str, ...]] = ()  # what a format must provide to be for this task alone: `formats.KINDS`
    open_set: ClassVar[bool] = False  # whether classes of val and test may be others than those of training
    usual_classes: ClassVar[int] = 1000  # of the data that networks are compared on: ImageNet's

    @abstractmethod
    def read(
        self,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
        selection: ClassSelection | None = None,
    ) -> Dataset[T]:
        """The dataset at `root`.

        Args:
            format: of the data; None detects it.
            class_names: fixes the labels' order (a run's).
            max_pixels: larger images are refused when they are read.
            selection: which classes are read, and by what names.
        """

    def arrange(self, dataset: Dataset[T], recipe: Any) -> Dataset[T]:
        """The dataset as the recipe wants it, such as with splits by groups; the very same where it says nothing.

        Raises DataError where what was read does not go with it.
        """
        return dataset

    @abstractmethod
    def augment(self, sample: Sample[T], recipe: Any, info: ClassInfo, generator: torch.Generator) -> Sample[T]:
        """One sample varied, image and target together, with chance drawn from `generator` alone.

        What `info` says of the classes goes along: a mirrored image shows right ears where left ones were.
        """

    def mix(self, batch: Batch[T], recipe: Any, info: ClassInfo, generator: torch.Generator) -> Batch[T]:
        """A batch with its samples mixed among themselves (MixUp, CutMix); the identity where nothing is mixed."""
        return batch

    def suggest(self, recipe: Any, dataset: Dataset[T], indices: Sequence[int]) -> dict[str, tuple[Any, str]]:
        """Values of fields that the recipe leaves empty, and why, where the data tell more than the model does.

        Args:
            indices: of the training samples.
        """
        return {}

    def check(self, dataset: Dataset[T], train: Sequence[int]) -> None:
        """Raises DataError where training on these samples makes no sense, such as a single class."""

    def check_evaluation(self, dataset: Dataset[T], info: ClassInfo) -> None:
        """Raises DataError where a run that knows `info` cannot be evaluated on data of its own classes.

        Such as parts, where it was trained on images of one object.
        """

    def has_ground_truth(self, dataset: Dataset[T], indices: Sequence[int]) -> bool:
        """Whether any of these samples has what is predicted, such as an object.

        Without, no score of them tells good weights from bad ones, and validation keeps the last.
        """
        return True

    def sampling_weights(self, targets: Sequence[T], info: ClassInfo) -> list[float] | None:
        """A weight for each target that makes rare classes as frequent as common ones; None: no such thing."""
        return None

    def sampler(self, targets: Sequence[T], recipe: Any, info: ClassInfo) -> Sampler | None:
        """What draws the training batches of a task whose loss compares samples, such as P x K; None: as usual.

        As usual is shuffled, or by `sampling_weights` where the recipe is `class_balanced`.
        """
        return None

    def configure(self, model: Model[Any, T, Any], recipe: Any, dataset: Dataset[T], indices: Sequence[int]) -> None:
        """Gives a model what its capabilities take: the recipe's loss, class weights, anchors of the training boxes.

        Before it learns; see `zorki.contracts.capabilities`, such as `TakesCriterion` and `FitsToData`.

        Args:
            indices: of the training samples.

        Raises:
            RecipeError: the recipe asks for what the model does not have.
        """

    def prompt(self, target: T) -> Any:
        """What a model that tracks is told of the first frame of a video, such as the box of the object."""
        raise ZorkiError("this task is about images: nothing is followed from a first frame on")

    def statistics(self, dataset: Dataset[T]) -> DatasetStatistics:
        """Counts and other numbers for `show` and the report."""
        return DatasetStatistics(dataset.class_names, {})

    def class_info(self, dataset: Dataset[T]) -> ClassInfo:
        """The classes of a dataset, with what a run's predictions need later."""
        return self.complete(dataset.class_info())

    def complete(self, info: ClassInfo) -> ClassInfo:
        """The info with what names alone tell, such as which classes are backgrounds."""
        return info

    def default_classes(self, num_classes: int) -> ClassInfo:
        """Classes for weights that tell only how many there are: names of well-known datasets, else numbers."""
        return ClassInfo(tuple(str(label) for label in range(num_classes)))
