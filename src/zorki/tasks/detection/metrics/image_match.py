"""One image's predictions beside its ground truth: what was found, what was missed, and what is not there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from zorki.ops.boxes import box_area, intersection, pairwise_iou
from zorki.types import Boxes, Instances

FOUND_IOU = 0.5


@dataclass
class ImageMatch:
    """Which rows of a prediction are right, and which of the ground truth are found.

    Attributes:
        true_positive: the predictions that found an object of their class.
        ignored: those on a crowd, or on a difficult object: neither right nor wrong.
        detected: the objects that were found.
        positive: the objects that have to be found: neither crowds nor difficult.
        overlap: of each prediction with the object that it found, else 0.
    """

    true_positive: Bool[Tensor, " N"]
    ignored: Bool[Tensor, " N"]
    detected: Bool[Tensor, " M"]
    positive: Bool[Tensor, " M"]
    overlap: Float[Tensor, " N"]

    @property
    def false_positive(self) -> Bool[Tensor, " N"]:
        """Predictions where there is nothing, or something else, or something that was found already."""
        return ~self.true_positive & ~self.ignored

    @property
    def missed(self) -> Bool[Tensor, " M"]:
        """Objects that nobody found."""
        return self.positive & ~self.detected

    def is_right(self) -> bool:
        """Whether nothing is missed and nothing wrong."""
        return not bool(self.missed.any()) and not bool(self.false_positive.any())

    def quality(self) -> float:
        """The sum of overlaps times two, over predictions and objects: F1 weighted by IoU.

        1 where there is nothing and nothing was predicted.
        """
        total = int((~self.ignored).sum()) + int(self.positive.sum())
        return 2 * float(self.overlap.sum()) / total if total else 1.0


def match_boxes(prediction: Boxes, ground_truth: Boxes, min_iou: float = FOUND_IOU) -> ImageMatch:
    """In falling score, each box takes the object of its class that it overlaps most, of those not yet taken."""
    iou = pairwise_iou(prediction.xyxy, ground_truth.xyxy)
    shared = intersection(prediction.xyxy[:, None], ground_truth.xyxy[None])
    return match_image(
        prediction, ground_truth, iou, shared / box_area(prediction.xyxy)[:, None].clamp_min(1e-9), min_iou
    )


def match_image(
    prediction: Boxes | Instances,
    ground_truth: Boxes | Instances,
    iou: Float[Tensor, "N M"],
    covered: Float[Tensor, "N M"],
    min_iou: float = FOUND_IOU,
) -> ImageMatch:
    """As `match_boxes`, for whatever overlaps.

    Args:
        iou: intersection over union of each prediction with each object, of any class.
        covered: the share of each prediction that lies in each object: what counts on crowds, which outline no one
            object.
    """
    count, objects = len(prediction), len(ground_truth)
    crowd = _marks(ground_truth.crowd, objects)
    positive = ~crowd & ~_marks(ground_truth.difficult, objects)
    true_positive, ignored = (torch.zeros(count, dtype=torch.bool) for _ in range(2))
    detected, overlap = torch.zeros(objects, dtype=torch.bool), torch.zeros(count)
    same = prediction.labels[:, None] == ground_truth.labels[None]
    iou, covered = iou * same, covered * same
    scores = torch.zeros(count) if prediction.scores is None else prediction.scores
    for row in scores.argsort(descending=True, stable=True).tolist() if objects else []:
        open_ = iou[row] * (~detected & positive)
        best = int(open_.argmax())
        if open_[best] >= min_iou:
            true_positive[row], detected[best], overlap[row] = True, True, float(open_[best])
        elif bool(((iou[row] >= min_iou) & ~positive & ~crowd).any() or ((covered[row] >= min_iou) & crowd).any()):
            ignored[row] = True
    return ImageMatch(true_positive, ignored, detected, positive, overlap)


def _marks(column: Tensor | None, count: int) -> Bool[Tensor, " count"]:
    return torch.zeros(count, dtype=torch.bool) if column is None else column
