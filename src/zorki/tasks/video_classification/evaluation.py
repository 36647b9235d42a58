"""How classes of films are evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zorki.contracts import Evaluation, Section
from zorki.tasks.classification.evaluation import ClassificationEvaluation
from zorki.types import ClassInfo, Label, VideoLabel

if TYPE_CHECKING:
    from zorki.tasks.video_classification.metric import VideoClassificationMetric, VideoClassificationResult


class VideoClassificationEvaluation(Evaluation[Label, VideoLabel]):
    """Accuracy of films and of clips; the baseline is the most frequent class."""

    headline = ("top1", "clip_accuracy", "balanced_accuracy")

    def __init__(self) -> None:
        self._images = ClassificationEvaluation()

    def metric(self, info: ClassInfo) -> VideoClassificationMetric:
        from zorki.tasks.video_classification.metric import VideoClassificationMetric

        return VideoClassificationMetric(info.names)

    def baseline(self, train: Sequence[Label], info: ClassInfo) -> VideoLabel | None:
        """The class that is most frequent in training, with the training shares as scores."""
        found = self._images.baseline(train, info)
        return None if found is None else VideoLabel(found.index, found.scores)

    def ensemble(self, predictions: Sequence[VideoLabel]) -> VideoLabel:
        """The mean of the probabilities of the films."""
        found = self._images.ensemble(predictions)
        return VideoLabel(found.index, found.scores)

    def error_score(self, prediction: VideoLabel, target: Label, info: ClassInfo) -> float:
        """The probability missing at the ground truth."""
        return self._images.error_score(prediction, target, info)

    def right(self, prediction: VideoLabel, target: Label, info: ClassInfo) -> bool:
        return prediction.index == target.index

    def report_sections(self, result: VideoClassificationResult, info: ClassInfo) -> list[Section]:
        """Confusion matrix, classes and calibration of films."""
        return self._images.report_sections(result, info)
