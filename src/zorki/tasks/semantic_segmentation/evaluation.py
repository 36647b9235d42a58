"""How maps of classes are evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zorki.contracts import Evaluation, Section
from zorki.contracts.capabilities import LabelError
from zorki.types import ClassInfo, Mask

if TYPE_CHECKING:
    from zorki.tasks.semantic_segmentation.metric import SegmentationMetric, SegmentationResult


class SegmentationEvaluation(Evaluation[Mask, Mask]):
    """Mean IoU and its kin; the baseline is the most frequent class everywhere."""

    headline = ("miou", "pixel_accuracy")

    def metric(self, info: ClassInfo) -> SegmentationMetric:
        from zorki.tasks.semantic_segmentation.metric import SegmentationMetric

        return SegmentationMetric(info.names)

    def baseline(self, train: Sequence[Mask], info: ClassInfo) -> Mask | None:
        """The class with the most training pixels everywhere: a mask of one pixel, which stands for any size."""
        import torch

        from zorki.tasks.semantic_segmentation.statistics import count_pixels

        counts = count_pixels(train, len(info))[:, :-1].sum(0)
        return Mask(torch.tensor([[int(counts.argmax())]])) if counts.any() else None

    def ensemble(self, predictions: Sequence[Mask]) -> Mask:
        """The class that most predictions give a pixel; of those with as many, the one that comes first among them."""
        import torch

        bands = []
        for rows in zip(*(prediction.classes.split(512) for prediction in predictions), strict=True):
            votes = torch.stack(rows)
            agreeing = torch.stack([(votes == one).sum(0) for one in votes])
            bands.append(votes.gather(0, agreeing.argmax(0, keepdim=True))[0])
        return Mask(torch.cat(bands), predictions[0].ignore)

    def error_score(self, prediction: Mask, target: Mask, info: ClassInfo) -> float:
        """1 less the mean IoU over the classes in this image's ground truth or prediction."""
        from zorki.metrics.confusion import confusion_matrix
        from zorki.tasks.semantic_segmentation.metric import aligned

        return 1.0 - confusion_matrix(*aligned(prediction, target), len(info)).mean_iou()

    def label_errors(self, predictions: Sequence[Mask], targets: Sequence[Mask], info: ClassInfo) -> list[LabelError]:
        """Pieces of an image where another class is seen, see `region_errors`; scores are shares of the image."""
        from zorki.metrics.label_errors.regions import region_errors
        from zorki.types.arrays import array_of

        found = []
        for place, (prediction, target) in enumerate(zip(predictions, targets, strict=True)):
            labels = array_of(target.classes)
            for one in region_errors(array_of(prediction.classes), labels, labels == target.ignore):
                left, top, right, bottom = map(float, one.box)
                box = (left, top, right, bottom)
                found.append(LabelError(place, "wrong region", one.share, one.label, one.suggested, box))
        return sorted(found, key=lambda one: -one.score)

    def report_sections(self, result: SegmentationResult, info: ClassInfo) -> list[Section]:
        """Scores, classes, the worst of them, confusion matrix."""
        from zorki.tasks.semantic_segmentation.report import sections

        return sections(result, info.background)
