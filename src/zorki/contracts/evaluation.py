"""What is measured, and what it is compared with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from zorki.contracts.dataset import Dataset
from zorki.contracts.metric import Metric
from zorki.contracts.results import Results, Section
from zorki.errors import ZorkiError
from zorki.types import ClassInfo

T = TypeVar("T")  # target
P = TypeVar("P")  # prediction


class Evaluation(ABC, Generic[T, P]):
    """How predictions of a task are evaluated: the metric is its own; what not every task has, has a default."""

    headline: ClassVar[tuple[str, ...]] = ()  # scores to compare runs by; empty: the monitor alone
    classless: ClassVar[tuple[str, ...]] = ()  # scores that hang on no class: of predictions of other classes, too
    file_format: ClassVar[str] = ""  # of files of predictions that `evaluate_predictions` reads; empty: none

    @abstractmethod
    def metric(self, info: ClassInfo) -> Metric[P, T]: ...

    def reference_split(self, split: str) -> str | None:
        """The split that the metric sees before this one, such as the gallery for the queries; None: none.

        The metric `TakesReference` then: kNN by the training images, and retrieval, compare with it.
        """
        return None

    def join(self, predictions: Sequence[P], size: tuple[int, int]) -> P:
        """One prediction about a video from those about its frames, the first of which is the prompt.

        Args:
            size: (height, width) of the frames.
        """
        raise ZorkiError("this task is about images: predictions about frames are not joined")

    def baseline(self, train: Sequence[T], info: ClassInfo) -> P | None:
        """The best prediction without looking at the image; None where there is none."""
        return None

    def baseline_for(self, answer: P, dataset: Dataset[T], index: int) -> P:
        """The baseline's prediction for one image, of which it may know the size, but no pixel."""
        return answer

    def ensemble(self, predictions: Sequence[P]) -> P:
        """One prediction from several models' predictions for the same image."""
        raise ZorkiError("this task has no rule to join the predictions of several models; name one run at a time")

    def unnamed(self, prediction: P) -> P:
        """A prediction of other classes than the targets', so that none of its labels is taken for one of theirs.

        Of tasks with `classless` scores.
        """
        return prediction

    def error_score(self, prediction: P, target: T, info: ClassInfo) -> float:
        """How wrong a prediction is, larger for worse; the report shows the worst images."""
        return 0.0

    def right(self, prediction: P, target: T, info: ClassInfo) -> bool | None:
        """Whether a prediction is right; None where there is no plain yes or no."""
        return None

    def learn(self, info: ClassInfo, scores: Mapping[str, Any], split: str) -> ClassInfo:
        """The info with what the scores of a held-out split tell, such as the score from which on boxes are shown.

        Args:
            scores: of the metric by name, as in results.json.
        """
        return info

    def remark(self, result: Results) -> str:
        """A sentence for a person about what the scores and their comparisons tell; empty: none."""
        return ""

    def report_sections(self, result: Any, info: ClassInfo) -> list[Section]:
        """The task's own part of the report: tables and plots from a result of its metric."""
        return []

    def recognize_predictions(self, predictions: Path, data: Path, format: str | None = None) -> str | None:
        """What a file of predictions holds, in words, where this task can evaluate it against the data; else None.

        Of the tasks with a `file_format`, one at most recognizes a file.
        """
        return None

    def evaluate_predictions(
        self, predictions: Path, data: Path, *, split: str | None = None, format: str | None = None
    ) -> Results:
        """Metrics of anybody's predictions, in a file of the `file_format`; neither model nor images are needed.

        Raises:
            ZorkiError: the task has no such format, or the file or the data cannot be read.
        """
        raise ZorkiError("this task knows no file of predictions; evaluate a run, or weights of a model")
