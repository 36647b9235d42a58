"""What is asked: data, evaluation, presentation."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from zorki.contracts.dataset import Dataset
from zorki.contracts.evaluation import Evaluation
from zorki.contracts.model import Model
from zorki.contracts.presentation import Presentation
from zorki.contracts.task_data import TaskData
from zorki.errors import ZorkiError
from zorki.types import ClassInfo

T = TypeVar("T")  # target
P = TypeVar("P")  # prediction


class Task(ABC, Generic[T, P]):
    """What is asked, in three parts: how data are read and varied, what is measured, and how annotations look.

    Knows no architecture and holds no state: all that a run knows of its classes and data is a `ClassInfo`, which
    those get who need it.

    Of a task about clips or videos `Sample.image` is (T, 3, H, W). A clip is one input, which `preprocess` makes of
    some of its frames. A video is followed frame by frame by a model that `Tracks`; trained are pairs or clips, which
    `data.augment` cuts from it.
    """

    name: ClassVar[str]
    monitor: ClassVar[str]  # the one number that picks the best checkpoint; larger is better
    summary: ClassVar[str]  # one line for `zorki tasks`
    unit: ClassVar[Literal["image", "clip", "video"]] = "image"  # what a sample is, and what one prediction is about
    trainable: ClassVar[bool] = True  # False: models answer as they are built
    settings: ClassVar[Any] = None  # the kind of its recipe, a `TaskSettings`; None: `Recipe` alone
    data: TaskData[T]
    evaluation: Evaluation[T, P]
    presentation: Presentation[T, P]

    def export(self, model: Model[Any, T, P], path: Path, height: int, width: int, info: ClassInfo) -> Path:
        """Writes a network from uint8 pixels of that size to answers as ONNX, and returns the path.

        Raises:
            ZorkiError: the task knows no such form, packages are missing, or this network cannot be written so.
        """
        raise ZorkiError(f"{self.name} knows no form of its networks as ONNX; use `zorki predict`")

    def configure(self, model: Model[Any, T, P], recipe: Any, dataset: Dataset[T], indices: Sequence[int]) -> None:
        """Hands the recipe's wishes about the task's loss (class weights, label smoothing) to the model.

        And what the model takes from the training samples, which are those of `indices`, before it learns. The recipe
        is of the task's own kind, its `settings`.
        """
