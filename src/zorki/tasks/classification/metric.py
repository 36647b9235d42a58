"""Scores of classification: how often right, for whom, and how well the network knows how sure it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import TYPE_CHECKING, Any

import numpy as np

from zorki.contracts import Metric, MetricResult
from zorki.metrics.calibration import CalibrationBin, CalibrationBins
from zorki.metrics.confusion import ConfusionMatrix, mean_of
from zorki.types import Label, check_lengths
from zorki.types.arrays import array_of, is_tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from numpy import ndarray


@dataclass(frozen=True)
class ClassificationScores:
    """One class: images of it, and its scores in 0..1; None where their denominator is 0."""

    class_name: str
    count: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, kw_only=True)
class ClassificationResult(MetricResult):
    """Scores of one label an image.

    Attributes:
        top1: share of images whose most probable class is right.
        top5: share of images whose class is among the five most probable.
        balanced_accuracy: mean recall over the classes that occur.
        macro_f1: mean F1 over the classes that occur or were predicted, as scikit-learn has it.
        log_loss: mean negative logarithm of the probability of the right class, in nats.
        calibration_error: expected calibration error over 15 bins (Guo et al., 2017).
        correct: images whose most probable class is right.
        per_class: in the order of labels.
        confusion_matrix: images; rows are ground truth, columns predictions.
        calibration: the bins of the reliability diagram.
    """

    top1: float | None = None
    top5: float | None = None
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    log_loss: float | None = None
    calibration_error: float | None = None
    correct: int = 0
    per_class: tuple[ClassificationScores, ...] = ()
    confusion_matrix: tuple[tuple[int, ...], ...] = ()
    calibration: tuple[CalibrationBin, ...] = ()

    def __str__(self) -> str:
        """As scikit-learn's `classification_report` prints it, with four digits."""
        if not self.count:
            return "no image was evaluated"
        width = max([len("weighted avg"), *(len(row.class_name) for row in self.per_class)])
        scores = [tuple(score or 0.0 for score in (row.precision, row.recall, row.f1)) for row in self.per_class]
        support = [row.count for row in self.per_class]
        macro = [sum(column) / len(scores) for column in zip(*scores, strict=True)]
        weighted = [sum(map(mul, column, support)) / self.count for column in zip(*scores, strict=True)]

        def line(name: str, values: Sequence[float | str], count: int | str) -> str:
            cells = [value if isinstance(value, str) else f"{value:.4f}" for value in values]
            return f"{name:>{width}} " + "".join(f" {cell:>9}" for cell in (*cells, count))

        return "\n".join(
            [
                line("", ("precision", "recall", "f1-score"), "support"),
                "",
                *(line(row.class_name, values, row.count) for row, values in zip(self.per_class, scores, strict=True)),
                "",
                line("accuracy", ("", "", self.top1 or 0.0), self.count),
                line("macro avg", macro, self.count),
                line("weighted avg", weighted, self.count),
            ]
        )


class ClassificationMetric(Metric[Label, Label]):
    """Top-1, top-5, per-class precision, recall and F1, confusion matrix, calibration error, log loss.

    Everything is counted in one confusion matrix and in bins of confidence, so a batch costs a few `bincount`s, and
    processes agree by adding.
    """

    takes_arrays = True

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)
        self.reset()

    def reset(self) -> None:
        num_classes = len(self.class_names)
        self.confusion = np.zeros((num_classes, num_classes), np.int64)
        self.top5 = 0
        self.log_loss = 0.0
        self.calibration = CalibrationBins()

    def update(self, predictions: Sequence[Label], targets: Sequence[Label]) -> None:
        """Counts predictions against ground truth. Raises ValueError for a prediction without scores."""
        check_lengths(predictions=predictions, targets=targets)
        if not predictions:
            return
        scores = [_floats(prediction.scores) for prediction in predictions if prediction.scores is not None]
        if len(scores) < len(predictions):
            raise ValueError("a prediction has no scores; expected a probability for each class")
        self._count(np.stack(scores), np.array([target.index for target in targets]))

    def _count(self, scores: Float[ndarray, "N K"], ground_truth: Int[ndarray, " N"]) -> None:
        num_classes = len(self.class_names)
        confidence, label = scores.max(1), scores.argmax(1)
        places = ground_truth * num_classes + label
        self.confusion += np.bincount(places, minlength=num_classes**2).reshape(self.confusion.shape)
        # Rank by counting larger scores, ties to the lower index as argmax breaks them: no sort of 1,000 columns.
        own = np.take_along_axis(scores, ground_truth[:, None], 1)
        earlier = np.arange(num_classes) < ground_truth[:, None]
        rank = (~(scores <= own) | ((scores == own) & earlier)).sum(1)  # NaN counts as larger
        self.top5 += int((rank < 5).sum())
        self.log_loss -= float(np.log(np.maximum(own.astype(np.float64), 1e-12)).sum())
        self.calibration.update(confidence.astype(np.float64), label == ground_truth)

    def merge(self, other: ClassificationMetric) -> None:
        self.confusion += other.confusion
        self.top5 += other.top5
        self.log_loss += other.log_loss
        self.calibration.merge(other.calibration)

    def compute(self) -> ClassificationResult:
        """Classes that do not occur have a recall of None, which is not averaged; predicted, they have an F1 of 0."""
        matrix = ConfusionMatrix(self.confusion)
        count = int(matrix.counts.sum())
        if count == 0:
            return ClassificationResult(count=0)
        occurs, predicted = matrix.ground_truths > 0, matrix.predictions > 0
        recall, f1 = matrix.recall(), matrix.f1()
        return ClassificationResult(
            count=count,
            top1=matrix.accuracy(),
            top5=self.top5 / count,
            balanced_accuracy=float(recall[occurs].mean()),
            macro_f1=mean_of(f1, matrix.seen),
            log_loss=self.log_loss / count,
            calibration_error=self.calibration.expected_error(),
            correct=int(matrix.true_positives.sum()),
            per_class=tuple(
                ClassificationScores(
                    name, int(n), *(float(score) if is_defined else None for score, is_defined in scores)
                )
                for name, n, *scores in zip(
                    self.class_names,
                    matrix.ground_truths.tolist(),
                    zip(matrix.precision().tolist(), predicted.tolist(), strict=True),
                    zip(recall.tolist(), occurs.tolist(), strict=True),
                    zip(f1.tolist(), matrix.seen.tolist(), strict=True),
                    strict=True,
                )
            ),
            confusion_matrix=tuple(tuple(row) for row in self.confusion.tolist()),
            calibration=self.calibration.rows(),
        )


def _floats(scores: Any) -> Any:
    """In numpy, which does not know bfloat16."""
    return array_of(scores.float() if is_tensor(scores) else scores)
