"""How maps of classes are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from zorki.contracts import Evaluation, Section
from zorki.metrics.confusion import confusion, mean_iou
from zorki.tasks.semantic_segmentation.metric import SegmentationMetric, aligned
from zorki.types import ClassInfo, Mask


class SegmentationEvaluation(Evaluation[Mask, Mask]):
    """Mean IoU and its kin; the baseline is the most frequent class everywhere."""

    headline = ("miou", "pixel_accuracy")

    def metric(self, info: ClassInfo) -> SegmentationMetric:
        return SegmentationMetric(info.names)

    def baseline(self, train: Sequence[Mask], info: ClassInfo) -> Mask | None:
        """The class with the most training pixels everywhere: a mask of one pixel, which stands for any size."""
        from zorki.tasks.semantic_segmentation.statistics import count_pixels

        counts = count_pixels(train, len(info))[:, :-1].sum(0)
        return Mask(counts.argmax().view(1, 1)) if bool(counts.any()) else None

    def ensemble(self, predictions: Sequence[Mask]) -> Mask:
        """The class that most predictions give a pixel; of those with as many, the one that comes first among them."""
        bands = []
        for rows in zip(*(prediction.classes.split(512) for prediction in predictions), strict=True):
            votes = torch.stack(rows)
            agreeing = torch.stack([(votes == one).sum(0) for one in votes])
            bands.append(votes.gather(0, agreeing.argmax(0, keepdim=True))[0])
        return Mask(torch.cat(bands), predictions[0].ignore)

    def error_score(self, prediction: Mask, target: Mask, info: ClassInfo) -> float:
        """1 less the mean IoU over the classes in this image's truth or prediction."""
        return 1.0 - mean_iou(confusion(*aligned(prediction, target), len(info)))

    def report_sections(self, figures: Mapping[str, Any], info: ClassInfo) -> list[Section]:
        """Figures, classes, the worst of them, confusion matrix."""
        from zorki.tasks.semantic_segmentation.report import sections

        return sections(figures, info.names)
