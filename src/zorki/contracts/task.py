"""What is asked: data, evaluation, presentation."""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar, Generic, Literal, TypeVar

from zorki.contracts.evaluation import Evaluation
from zorki.contracts.model_suggestion import ModelSuggestion
from zorki.contracts.presentation import Presentation
from zorki.contracts.task_data import TaskData

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
    pipeline_tag: ClassVar[str] = ""  # what Hugging Face calls such a task; empty: it has no word for it
    unit: ClassVar[Literal["image", "clip", "video"]] = "image"  # what a sample is, and what one prediction is about
    keeps_last: ClassVar[bool] = False  # True: the last epoch's weights are kept, whatever the monitor says
    settings: ClassVar[Any] = None  # the kind of its recipe, where it has one of its own; None: `Recipe` alone
    suggestions: ClassVar[tuple[ModelSuggestion, ...]] = ()  # models for who names none, from small to large
    data: TaskData[T]
    evaluation: Evaluation[T, P]
    presentation: Presentation[T, P]
