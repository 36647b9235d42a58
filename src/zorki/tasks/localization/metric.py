"""Scores of localization: is the box where the object is, and is it of the right class?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from zorki.contracts import Metric, MetricResult
from zorki.ops.boxes import paired_iou
from zorki.types import Boxes, ClassInfo, check_lengths

RIGHT_IOU = 0.5
GUESSES = 5  # of ImageNet's Top-5
V2_IOUS = (0.3, 0.5, 0.7)  # of MaxBoxAccV2
CURVE = tuple(step / 20 for step in range(21))
VISIBLE_SCORE = 0.5


@dataclass(frozen=True)
class LocalizationScores:
    """One class: its objects, and its scores in 0..1; None where it has no object."""

    class_name: str
    count: int
    mean_iou: float | None
    iou_above_50: float | None
    class_accuracy: float | None
    top1_loc: float | None


@dataclass(frozen=True)
class IouCurve:
    """The share of objects whose best guess has at least an IoU with the ground truth."""

    iou: tuple[float, ...] = ()
    share: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LocalizationResult(MetricResult):
    """Scores of one box an object.

    The best guess is the prediction of the highest score; of parts it is the part's own. Where the class of the object
    is among no guess, its box is that of the best guess.

    Attributes:
        objects: those of the ground truth; of images with one object as many as images.
        mean_iou: mean IoU of the best guess with the object, whatever its class.
        iou_above_50: share of objects whose best guess has an IoU of 0.5 or more, whatever its class.
        class_accuracy: share of images whose best guess is of the right class; of parts the share of parts, seen and
            hidden ones, whose visibility is predicted right at a score of 0.5.
        top1_loc: ImageNet's (Russakovsky et al., 2015, section 4.2; 1 less its error): class right and IoU of 0.5 or
            more, by the best guess. Of parts: seen, and predicted as visible with such an IoU.
        top5_loc: likewise by any of the five best guesses; None for parts.
        gt_known_loc: share of objects whose box of the right class has an IoU of 0.5 or more (Choe et al., 2020).
        max_box_acc_v2: mean over IoUs of 0.3, 0.5 and 0.7 of the share of boxes of the right class that reach it
            (MaxBoxAccV2, Choe et al., 2020, section 3.2). Of one box an object: no threshold of a score map is chosen.
        visibility_auc: of parts: the area under the ROC curve of their scores, seen ones against hidden ones, the mean
            over the parts of which there are both; None for images of one object.
        per_class: in the order of labels.
        iou_curve: from an IoU of 0 to 1 in steps of 0.05.
    """

    objects: int = 0
    mean_iou: float | None = None
    iou_above_50: float | None = None
    class_accuracy: float | None = None
    top1_loc: float | None = None
    top5_loc: float | None = None
    gt_known_loc: float | None = None
    max_box_acc_v2: float | None = None
    visibility_auc: float | None = None
    per_class: tuple[LocalizationScores, ...] = ()
    iou_curve: IouCurve = IouCurve()


@dataclass
class _Columns:
    """One row for each object of the ground truth."""

    label: Int[Tensor, " N"]
    guess_iou: Float[Tensor, " N"]  # of the best guess
    own_iou: Float[Tensor, " N"]  # of the box of its class
    class_right: Float[Tensor, " N"]  # 1: the best guess is of its class, or the part was predicted as visible
    top5: Float[Tensor, " N"]


@dataclass
class _Visibility:
    """Of an image of parts: the score of each, 0 where nothing is predicted, and whether it is there."""

    score: Float[Tensor, " K"]
    seen: Bool[Tensor, " K"]


class LocalizationMetric(Metric[Boxes, Boxes]):
    """Mean IoU, class accuracy, Top-1 Loc, Top-5 Loc, GT-known Loc, MaxBoxAccV2, and the visibility of parts."""

    def __init__(self, info: ClassInfo) -> None:
        self.class_names, self.parts = list(info.names), info.objects == "each"
        self.reset()

    def reset(self) -> None:
        self.count = 0
        self.columns: list[_Columns] = []
        self.visibility: list[_Visibility] = []  # of images of parts alone

    def update(self, predictions: Sequence[Boxes], targets: Sequence[Boxes]) -> None:
        """Takes in the predictions for some images. Raises ValueError for a prediction without scores."""
        check_lengths(predictions=predictions, targets=targets)
        for prediction, target in zip(predictions, targets, strict=True):
            if prediction.scores is None:
                raise ValueError("a prediction has no scores; expected one for each box")
            prediction = prediction[prediction.scores.argsort(descending=True, stable=True)]
            self.columns.append(_compare(prediction, target, self.parts))
            if self.parts:
                self.visibility.append(_visibility(prediction, target, len(self.class_names)))
        self.count += len(targets)

    def merge(self, other: LocalizationMetric) -> None:
        self.count += other.count
        self.columns += other.columns
        self.visibility += other.visibility

    def compute(self) -> LocalizationResult:
        if self.count == 0:
            return LocalizationResult(count=0)
        held = _Columns(*(torch.cat([getattr(part, f.name) for part in self.columns]) for f in fields(_Columns)))
        right = (held.guess_iou >= RIGHT_IOU).float() * held.class_right
        v2 = torch.stack([(held.own_iou >= iou).double() for iou in V2_IOUS])
        return LocalizationResult(
            count=self.count,
            objects=len(held.label),
            mean_iou=_mean(held.guess_iou),
            iou_above_50=_mean(held.guess_iou >= RIGHT_IOU),
            class_accuracy=self._class_accuracy(held),
            top1_loc=_mean(right),
            top5_loc=None if self.parts else _mean(held.top5),
            gt_known_loc=_mean(held.own_iou >= RIGHT_IOU),
            max_box_acc_v2=_mean(v2.mean(0)),
            visibility_auc=self._visibility_auc(),
            per_class=tuple(self._scores(label, held, right) for label in range(len(self.class_names))),
            iou_curve=IouCurve(CURVE, tuple(_mean(held.guess_iou >= iou) or 0.0 for iou in CURVE)),
        )

    def _class_accuracy(self, held: _Columns) -> float | None:
        if not self.parts:
            return _mean(held.class_right)
        right = [(one.score >= VISIBLE_SCORE) == one.seen for one in self.visibility]
        return _mean(torch.cat(right))

    def _visibility_auc(self) -> float | None:
        if not self.visibility:
            return None
        scores = torch.stack([one.score for one in self.visibility]).double()
        seen = torch.stack([one.seen for one in self.visibility])
        areas = [_roc_auc(score[own], score[~own]) for score, own in zip(scores.T, seen.T, strict=True)]
        found = [area for area in areas if area is not None]
        return sum(found) / len(found) if found else None

    def _scores(self, label: int, held: _Columns, right: Tensor) -> LocalizationScores:
        own = held.label == label
        return LocalizationScores(
            class_name=self.class_names[label],
            count=int(own.sum()),
            mean_iou=_mean(held.guess_iou[own]),
            iou_above_50=_mean(held.guess_iou[own] >= RIGHT_IOU),
            class_accuracy=_mean(held.class_right[own]),
            top1_loc=_mean(right[own]),
        )


def _compare(prediction: Boxes, target: Boxes, parts: bool) -> _Columns:
    """The rows of one image; `prediction` is best first."""
    rows, objects = len(prediction), len(target)
    if rows == 0 or objects == 0:
        nothing = torch.zeros(objects)
        return _Columns(target.labels, nothing, nothing, nothing, nothing)
    same = prediction.labels[None] == target.labels[:, None]
    found = same.any(1)
    own = same.int().argmax(1)  # the first, and so the best, of its class; the best guess where there is none
    own_iou = paired_iou(prediction.xyxy[own], target.xyxy)
    guess = own if parts else torch.zeros_like(own)
    guess_iou = paired_iou(prediction.xyxy[guess], target.xyxy)
    if parts:
        guess_iou = own_iou = own_iou * found
        right = found & _visible(prediction)[own]
    else:
        right = same[:, 0]
    iou = torch.stack([paired_iou(prediction.xyxy, box.expand_as(prediction.xyxy)) for box in target.xyxy])
    top5 = (same & (iou >= RIGHT_IOU))[:, :GUESSES].any(1)
    return _Columns(target.labels, guess_iou.float(), own_iou.float(), right.float(), top5.float())


def _visibility(prediction: Boxes, target: Boxes, num_classes: int) -> _Visibility:
    assert prediction.scores is not None
    score, seen = torch.zeros(num_classes), torch.zeros(num_classes, dtype=torch.bool)
    score.scatter_reduce_(0, prediction.labels, prediction.scores.float(), "amax")
    seen[target.labels] = True
    return _Visibility(score, seen)


def _roc_auc(positive: Float[Tensor, " P"], negative: Float[Tensor, " N"]) -> float | None:
    """The share of pairs in which the positive has the larger score, ties by half; None without a pair."""
    if len(positive) == 0 or len(negative) == 0:
        return None
    ordered = negative.sort().values
    below, not_above = (torch.searchsorted(ordered, positive, right=right) for right in (False, True))
    return float((below + not_above).double().mean()) / (2 * len(negative))


def _visible(prediction: Boxes) -> Tensor:
    assert prediction.scores is not None
    return prediction.scores >= VISIBLE_SCORE


def _mean(values: Tensor) -> float | None:
    return float(values.double().mean()) if len(values) else None
