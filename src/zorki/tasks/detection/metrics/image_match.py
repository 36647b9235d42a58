"""One image's answer beside its truth: what was found, what was missed, and what is not there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from zorki.ops.boxes import box_area, intersection, pairwise_iou
from zorki.types import Boxes, Instances

FOUND_IOU = 0.5


@dataclass
class Judged:
    """Which rows of an answer are right, and which of the truth are found.

    Attributes:
        right: the answers that found an object of their class.
        excused: those on a crowd, or on a difficult object: neither right nor wrong.
        found: the objects that were found.
        asked: the objects that have to be found: neither crowds nor difficult.
        overlap: of each answer with the object that it found, else 0.
    """

    right: Bool[Tensor, " N"]
    excused: Bool[Tensor, " N"]
    found: Bool[Tensor, " M"]
    asked: Bool[Tensor, " M"]
    overlap: Float[Tensor, " N"]

    @property
    def wrong(self) -> Bool[Tensor, " N"]:
        """Answers where there is nothing, or something else, or something that was found already."""
        return ~self.right & ~self.excused

    @property
    def missed(self) -> Bool[Tensor, " M"]:
        """Objects that nobody found."""
        return self.asked & ~self.found

    def quality(self) -> float:
        """The sum of overlaps times two, over answers and objects: F1 in which an answer counts as far as it fits.

        1 where there is nothing and nothing was answered.
        """
        total = int((~self.excused).sum()) + int(self.asked.sum())
        return 2 * float(self.overlap.sum()) / total if total else 1.0


def judge_boxes(prediction: Boxes, truth: Boxes, min_iou: float = FOUND_IOU) -> Judged:
    """In falling score, each box takes the object of its class that it overlaps most, of those not yet taken."""
    iou = pairwise_iou(prediction.xyxy, truth.xyxy)
    shared = intersection(prediction.xyxy[:, None], truth.xyxy[None])
    return judge(prediction, truth, iou, shared / box_area(prediction.xyxy)[:, None].clamp_min(1e-9), min_iou)


def judge(
    prediction: Boxes | Instances,
    truth: Boxes | Instances,
    iou: Float[Tensor, "N M"],
    covered: Float[Tensor, "N M"],
    min_iou: float = FOUND_IOU,
) -> Judged:
    """As `judge_boxes`, for whatever overlaps.

    Args:
        iou: intersection over union of each answer with each object, of any class.
        covered: the share of each answer that lies in each object: what counts on crowds, which outline no one object.
    """
    count, objects = len(prediction), len(truth)
    crowd = _marks(truth.crowd, objects)
    asked = ~crowd & ~_marks(truth.difficult, objects)
    right, excused = (torch.zeros(count, dtype=torch.bool) for _ in range(2))
    found, overlap = torch.zeros(objects, dtype=torch.bool), torch.zeros(count)
    same = prediction.labels[:, None] == truth.labels[None]
    iou, covered = iou * same, covered * same
    scores = torch.zeros(count) if prediction.scores is None else prediction.scores
    for row in scores.argsort(descending=True, stable=True).tolist() if objects else []:
        open_ = iou[row] * (~found & asked)
        best = int(open_.argmax())
        if open_[best] >= min_iou:
            right[row], found[best], overlap[row] = True, True, float(open_[best])
        elif bool(((iou[row] >= min_iou) & ~asked & ~crowd).any() or ((covered[row] >= min_iou) & crowd).any()):
            excused[row] = True
    return Judged(right, excused, found, asked, overlap)


def _marks(column: Tensor | None, count: int) -> Bool[Tensor, " count"]:
    return torch.zeros(count, dtype=torch.bool) if column is None else column
