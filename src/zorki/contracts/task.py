"""What is asked: data, evaluation, presentation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from zorki.contracts.dataset import Dataset
from zorki.contracts.metric import Metric
from zorki.contracts.model import Model
from zorki.contracts.results import Results, Section
from zorki.errors import ZorkiError
from zorki.types import Batch, Sample

if TYPE_CHECKING:
    from zorki.recipe import Recipe

T = TypeVar("T")  # target
P = TypeVar("P")  # prediction


class Task(ABC, Generic[T, P]):
    """What is asked: how data are read and varied, what is measured, how an annotation looks. Knows no architecture."""

    name: ClassVar[str]
    monitor: ClassVar[str]  # the one number that picks the best checkpoint; larger is better
    summary: ClassVar[str]  # one line for `zorki tasks`
    thumbnail_side: ClassVar[int] = 128  # pixels: what shows enough of one image on a sheet of many
    usual_classes: ClassVar[int] = 1000  # of the data that networks are compared on: ImageNet's
    headline: ClassVar[tuple[str, ...]] = ()  # figures to compare runs by; empty: the monitor alone
    exchanges_facts: ClassVar[bool] = False  # `exchange` looks at the `facts` of answers, which need no predictions
    class_names: list[str]

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)

    @classmethod
    @abstractmethod
    def read(
        cls,
        root: Path,
        *,
        format: str | None = None,
        class_names: Sequence[str] | None = None,
        max_pixels: int | None = None,
    ) -> Dataset[T]:
        """The data set at `root`; `format` forces a reader, `class_names` fixes the labels' order (a run's)."""

    @classmethod
    def recognize(cls, root: Path, format: str | None = None) -> str | None:
        """Why the data at `root` seem to be for this task, in words; None where they do not. Reads no annotation."""
        return None

    @abstractmethod
    def augment(self, sample: Sample[T], recipe: Recipe, generator: torch.Generator) -> Sample[T]:
        """One sample varied, image and target together, with chance drawn from `generator` alone."""

    def mix(self, batch: Batch[T], recipe: Recipe, generator: torch.Generator) -> Batch[T]:
        """A batch with its samples mixed among themselves (MixUp, CutMix); the identity where nothing is mixed."""
        return batch

    @abstractmethod
    def metric(self) -> Metric[P, T]: ...

    @classmethod
    def recognize_answers(cls, predictions: Path, data: Path, format: str | None = None) -> str | None:
        """What the answers in a file are, in words, where they are for this task to judge by the data; else None.

        Of the tasks that judge files, one at most knows a file.
        """
        return None

    @classmethod
    def judge_file(
        cls, predictions: Path, data: Path, *, split: str | None = None, format: str | None = None
    ) -> Results:
        """Figures of anybody's answers, in a file of the field's own format; neither model nor images are needed.

        Raises:
            ZorkiError: the task has no such format, or the file or the data cannot be read.
        """
        raise ZorkiError(f"{cls.name} knows no file of answers to judge; evaluate a run, or weights of a model")

    @abstractmethod
    def draw(self, image: Tensor, annotation: T | P) -> Tensor:
        """The uint8 image (3, H, W) with the annotation on it."""

    def export(self, model: Model[Any, T, P], path: Path, height: int, width: int) -> Path:
        """Writes a network from uint8 pixels of that size to answers as ONNX, and returns the path.

        Raises:
            ZorkiError: the task knows no such form, packages are missing, or this network cannot be written so.
        """
        raise ZorkiError(f"{self.name} knows no form of its networks as ONNX; use `zorki predict`")

    def baseline(self, train: Sequence[T]) -> P | None:
        """The best answer without looking at the image; None where there is none."""
        return None

    def configure(self, model: Model[Any, T, P], recipe: Recipe, dataset: Dataset[T], indices: Sequence[int]) -> None:
        """Hands the recipe's wishes about the task's loss (class weights, label smoothing) to the model.

        And what the model takes from the training samples, which are those of `indices`, before it learns.
        """

    def check(self, dataset: Dataset[T], train: Sequence[int]) -> None:
        """Raises DataError where training on these samples makes no sense, such as a single class."""

    def balance(self, targets: Sequence[T]) -> list[float] | None:
        """A sampling weight for each target that makes rare ones as frequent as common; None: no such thing."""
        return None

    def ensemble(self, predictions: Sequence[P]) -> P:
        """One answer from several models' answers to the same image."""
        raise ZorkiError(f"{self.name} has no rule to join the answers of several models; name one run at a time")

    def badness(self, prediction: P, target: T) -> float:
        """How wrong an answer is; the report shows the worst images."""
        return 0.0

    def right(self, prediction: P, target: T) -> bool | None:
        """Whether an answer is right; None where there is no plain yes or no."""
        return None

    def caption(self, annotation: T | P) -> str:
        """A few words for under an image."""
        return ""

    @classmethod
    def names_for(cls, num_classes: int) -> list[str]:
        """Names of classes for weights that tell only how many there are."""
        return [str(label) for label in range(num_classes)]

    def describe(self, annotation: T | P) -> dict[str, Any]:
        """The annotation in plain JSON with names of classes, for predictions.json and the report."""
        return annotation.to_json()  # type: ignore[attr-defined, union-attr, no-any-return]

    def exchange(self, answers: Sequence[Any]) -> Any | None:
        """All answers in the plain JSON that the field exchanges, which predictions.json then is; None: zorki's own.

        Answers have a `source`, the number of a `frame` or None, a `prediction`, and as `facts` what `describe` said
        of it. Where the task `exchanges_facts`, predictions may be None.
        """
        return None

    def attach(self, annotation: P, place: Callable[[str, str], Path]) -> dict[str, Any]:
        """Writes what of an answer belongs into a file of its own, such as a map of classes, and tells facts about it.

        They join those of `describe` in predictions.json; paths among them are written relative to its folder.

        Args:
            place: (folder, suffix) to a free path for this answer: ("masks", ".png") gives OUT/masks/IMAGE.png.
        """
        return {}

    def thumbnail(self, image: Tensor, annotation: T | P, truth: T | None = None) -> Tensor:
        """The uint8 image for the small grids of reports and sheets, which write `caption` under it.

        With what of the annotation can be drawn on it; beside the `truth`, right and wrong are told apart.
        """
        return image

    def adopt(self, results: Mapping[str, Any]) -> None:
        """Takes over what a run found out about its answers, such as the score from which they are worth showing.

        `results` is what results.json holds: {split: {"figures": ..., ...}}, empty where nothing was judged.
        """

    def remember(self, dataset: Dataset[T]) -> dict[str, Any]:
        """Facts about the data that a run's answers need later, such as numbers of classes. Small, plain JSON."""
        return {}

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Takes what `remember` gave when the run was trained; empty for runs of older versions."""

    def tally(self, dataset: Dataset[T]) -> dict[str, Any]:
        """Counts for `show` and the report, in plain JSON.

        Under "classes" {split: {class: count}} of what "counted" names (images, where it is missing); under
        "tables" {title: {row: {split: value}}}.
        """
        return {}

    def sections(self, results: Mapping[str, Any]) -> list[Section]:
        """The task's own part of the report: tables and plots from a result of `metric().compute()`."""
        return []
