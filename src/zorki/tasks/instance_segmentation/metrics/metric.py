"""Scores of instance segmentation: how well objects and their masks are found, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence

from zorki.contracts import Metric
from zorki.metrics.mask_tables import MaskTables, join
from zorki.tasks.instance_segmentation.metrics.scores import InstanceResult, instance_result
from zorki.tasks.instance_segmentation.metrics.tables import tabulate
from zorki.types import Instances, check_lengths


class InstanceMetric(Metric[Instances, Instances]):
    """COCO's average precision of masks and of boxes, and the scores of benchmarks that want one label map an image.

    Masks become run lengths and counts of shared pixels as they come: a set of images needs no room for its pixels.

    Args:
        class_names: of the labels 0..K-1.
        min_score: from which on detections are laid into the label map of their image; None takes the score of the
            best F1 on these images, which flatters where it was not found on others.
    """

    def __init__(self, class_names: Sequence[str], *, min_score: float | None = None) -> None:
        self.class_names = list(class_names)
        self.min_score = min_score
        self.reset()

    def reset(self) -> None:
        self.parts: list[MaskTables] = []

    def update(self, predictions: Sequence[Instances], targets: Sequence[Instances]) -> None:
        """Takes in the predictions for some images.

        Raises:
            ValueError: a prediction has no scores, or masks of another size than its ground truth.
        """
        check_lengths(predictions=predictions, targets=targets)
        if targets:
            self.parts.append(tabulate(predictions, targets))

    def compute(self) -> InstanceResult:
        if not self.parts:
            return InstanceResult(count=0)
        return instance_result(join(self.parts), self.class_names, min_score=self.min_score)

    def merge(self, other: InstanceMetric) -> None:
        self.parts += other.parts
