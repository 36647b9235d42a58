"""Scores of classes of films: by the mean of a film's clips, and by each clip alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from zorki.contracts import Metric
from zorki.tasks.classification.metric import ClassificationMetric, ClassificationResult
from zorki.types import Label, VideoLabel


@dataclass(frozen=True, kw_only=True)
class VideoClassificationResult(ClassificationResult):
    """Scores of one label a film; all but the last two are of the mean of its clips' scores.

    Attributes:
        clip_accuracy: share of clips whose most probable class is right.
        clips: that were evaluated.
    """

    clip_accuracy: float | None = None
    clips: int = 0

    def __str__(self) -> str:
        if not self.count:
            return "no film was evaluated"
        return f"{super().__str__()}\n\nclip accuracy {self.clip_accuracy or 0:.4f} of {self.clips} clips"


class VideoClassificationMetric(Metric[VideoLabel, Label]):
    """The scores of classification for films, and the accuracy of single clips."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self._films = ClassificationMetric(class_names)
        self.reset()

    def reset(self) -> None:
        self._films.reset()
        self._clips = self._right = 0

    def update(self, predictions: Sequence[VideoLabel | Label], targets: Sequence[Label]) -> None:
        """Counts films, and their clips; a prediction without clips, as a baseline's, is one of one clip."""
        self._films.update(predictions, targets)
        for prediction, target in zip(predictions, targets, strict=True):
            clips = prediction.clips if isinstance(prediction, VideoLabel) else None
            if clips is None:
                self._clips += 1
                self._right += prediction.index == target.index
            else:
                self._clips += len(clips)
                self._right += int((clips.argmax(1) == target.index).sum())

    def merge(self, other: VideoClassificationMetric) -> None:
        self._films.merge(other._films)
        self._clips += other._clips
        self._right += other._right

    def compute(self) -> VideoClassificationResult:
        films = self._films.compute()
        values = {field.name: getattr(films, field.name) for field in dataclasses.fields(films)}
        accuracy = self._right / self._clips if self._clips else None
        return VideoClassificationResult(**values, clip_accuracy=accuracy, clips=self._clips)
