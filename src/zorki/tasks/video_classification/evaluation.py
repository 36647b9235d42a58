"""How classes of films are evaluated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from zorki.contracts import Evaluation, Results, Section
from zorki.tasks.classification.evaluation import ClassificationEvaluation
from zorki.types import ClassInfo, Label, VideoLabel

if TYPE_CHECKING:
    from zorki.tasks.video_classification.metric import VideoClassificationMetric, VideoClassificationResult

MIDDLE, SHUFFLED = "middle frame", "shuffled frames"
"""Rows beside a run's own, as `Clips.reduced_inputs` calls them."""

MIN_FILMS = 30
"""Films from which on equal scores say something about the network."""


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

    def remark(self, result: Results) -> str:
        """Whether the order of frames matters, and whether motion does, as far as so many films tell."""
        scores = {name: row.get("top1") for name, row in result.comparisons.items()}
        shown, shuffled, middle = result.metrics.scalars().get("top1"), scores.get(SHUFFLED), scores.get(MIDDLE)
        if shown is None or shuffled is None or middle is None or result.count < MIN_FILMS:
            return ""
        noise = 1 / math.sqrt(max(1, result.count))  # two deviations of a share of one half
        same = []
        if shuffled >= shown - noise:
            same.append(f"their order does not matter to this network: shuffled, {shuffled:.1%} are right")
        if middle >= shown - noise:
            same.append(
                f"nor does motion: the middle frame alone gives {middle:.1%}"
                if same
                else f"motion does not matter to this network: the middle frame alone gives {middle:.1%}"
            )
        if not same:
            return ""
        return f"{result.split}: {shown:.1%} of {result.count} films are right by their frames, and {'; '.join(same)}."

    def report_sections(self, result: VideoClassificationResult, info: ClassInfo) -> list[Section]:
        """Confusion matrix, classes and calibration of films."""
        return self._images.report_sections(result, info)
