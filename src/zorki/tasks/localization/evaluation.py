"""How localization is evaluated."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from zorki.contracts import Dataset, Evaluation, Section, Targets
from zorki.types import Boxes, ClassInfo

if TYPE_CHECKING:
    from zorki.tasks.localization.metric import LocalizationMetric, LocalizationResult


class LocalizationEvaluation(Evaluation[Boxes, Boxes]):
    """IoU, class accuracy, and the published names of both together; the baseline is the mean training box."""

    headline = ("iou_above_50", "top1_loc")
    classless = ("mean_iou", "iou_above_50", "gt_known_loc", "max_box_acc_v2")

    def metric(self, info: ClassInfo) -> LocalizationMetric:
        from zorki.tasks.localization.metric import LocalizationMetric

        return LocalizationMetric(info)

    def baseline(self, train: Sequence[Boxes], info: ClassInfo) -> Boxes | None:
        """The mean training box of each class, in shares of the image, the most frequent class first."""
        from zorki.tasks.detection.image_sizes import image_sizes
        from zorki.tasks.localization.mean_boxes import mean_boxes

        assert isinstance(train, Targets)
        if not len(train):
            return None
        targets = [train[place] for place in range(len(train))]
        means, counts = mean_boxes(targets, image_sizes(train.dataset, train.indices), len(info))
        seen = counts.argsort(descending=True, stable=True)[: int((counts > 0).sum())]
        return Boxes(means[seen], seen, counts[seen] / len(targets))

    def baseline_for(self, answer: Boxes, dataset: Dataset[Boxes], index: int) -> Boxes:
        """The mean boxes in the pixels of an image."""
        import torch

        from zorki.tasks.detection.image_sizes import image_sizes

        ((height, width),) = image_sizes(dataset, [index])
        return dataclasses.replace(answer, xyxy=answer.xyxy * torch.tensor([width, height, width, height]))

    def ensemble(self, predictions: Sequence[Boxes]) -> Boxes:
        """The mean of the scores of each class, and of its boxes, weighted by them."""
        import torch

        labels = torch.cat([one.labels for one in predictions])
        xyxy = torch.cat([one.xyxy for one in predictions])
        scores = torch.cat([one.scores for one in predictions if one.scores is not None])
        kinds = labels.unique()
        means, totals = xyxy.new_zeros(len(kinds), 4), xyxy.new_zeros(len(kinds))
        for row, label in enumerate(kinds):
            weights = scores[labels == label].clamp_min(1e-9)
            means[row] = (weights[:, None] * xyxy[labels == label]).sum(0) / weights.sum()
            totals[row] = scores[labels == label].sum() / len(predictions)
        order = totals.argsort(descending=True, stable=True)
        return Boxes(means[order], kinds[order], totals[order])

    def unnamed(self, prediction: Boxes) -> Boxes:
        """Labels that no object has."""
        import torch

        return dataclasses.replace(prediction, labels=torch.full_like(prediction.labels, -1))

    def error_score(self, prediction: Boxes, target: Boxes, info: ClassInfo) -> float:
        """1 less the mean IoU of the objects, where their class is right."""
        held = self.metric(info)
        held.update([prediction], [target])
        result = held.compute()
        share = result.class_accuracy or 0.0 if info.objects != "each" else 1.0
        return 1.0 - share * (result.mean_iou or 0.0)

    def right(self, prediction: Boxes, target: Boxes, info: ClassInfo) -> bool:
        """Whether the best guess is of the right class, with an IoU of 0.5 or more."""
        from zorki.ops.boxes import paired_iou
        from zorki.tasks.localization.metric import RIGHT_IOU

        if len(prediction) == 0 or len(target) == 0:
            return len(prediction) == len(target)
        best = prediction[0] if prediction.scores is None else prediction[int(prediction.scores.argmax())]
        iou = paired_iou(best.xyxy, target.xyxy[:1])
        return bool(best.labels[0] == target.labels[0]) and bool(iou[0] >= RIGHT_IOU)

    def report_sections(self, result: LocalizationResult, info: ClassInfo) -> list[Section]:
        """How many boxes reach which IoU, and the classes."""
        from zorki.tasks.localization.report import sections

        return sections(result, info)
