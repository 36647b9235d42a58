"""Scores of joints: object keypoint similarity, and errors in shares of lengths of the object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from zorki.contracts import Metric, MetricResult
from zorki.metrics.joint_errors import (
    correct_joints,
    correct_parts,
    joint_distances,
    normalized_mean_error,
    segment_length,
    share_of_joints,
)
from zorki.metrics.oks import GroundTruthPoseTable, OksSummary, PredictedPoseTable, oks_average_precision
from zorki.metrics.tables import join
from zorki.tasks.pose.matching import match_objects
from zorki.types import ClassInfo, Keypoints, Skeleton, check_lengths


@dataclass(frozen=True)
class JointScores:
    """One joint: objects in which it is labeled, and its scores; None where there are none.

    Attributes:
        pck20_box_longer_side: as in `PoseResult`.
        nme_box_side: mean error in shares of the root of the box's area.
        pixels: mean error in pixels.
        oks_sigma: the joint's falloff in OKS.
    """

    joint: str
    count: int
    pck20_box_longer_side: float | None
    nme_box_side: float | None
    pixels: float | None
    oks_sigma: float


@dataclass(frozen=True, kw_only=True)
class PoseResult(MetricResult):
    """Scores of joints; what a measure of lengths goes by stands in its name. None of nothing.

    A predicted object is compared with the annotated one whose box it was given, or else whose box its own overlaps,
    see `match_objects`. Joints of objects that nobody found count as wrong in shares, and not in mean errors.

    Attributes:
        objects: annotated objects with a labeled joint, crowds left out.
        missed: of them without a prediction.
        oks_ap, oks_ap50, oks_ap75, oks_ap_medium, oks_ap_large: COCO's average precision, see `OksSummary`.
        oks_ar, oks_ar50, oks_ar75, oks_ar_medium, oks_ar_large: recall.
        nme_outer_eye_corners: mean error of an object's joints over the distance of its outer eye corners.
        nme_box_side: the same over the root of the area of its box.
        pck05_box_longer_side, pck20_box_longer_side: share of joints at most 5 % and 20 % of the longer side of the box
            off (Yang and Ramanan, 2013).
        pckh50_head_segment: of half the distance of head top and upper neck (Andriluka et al., 2014, whose heads are
            boxes, of which 60 % of the diagonal counts).
        pdj20_torso: of a fifth of the distance of left shoulder and right hip (Sapp and Taskar, 2013).
        pcp50_strict, pcp50_loose: share of limbs, see `correct_parts`.
        oks_sigmas_reason: where the sigmas are from; OKS by other sigmas is another measure. Each is in `per_joint`.
        per_joint: a row each.
    """

    objects: int
    missed: int
    oks_ap: float | None
    oks_ap50: float | None
    oks_ap75: float | None
    oks_ap_medium: float | None
    oks_ap_large: float | None
    oks_ar: float | None
    oks_ar50: float | None
    oks_ar75: float | None
    oks_ar_medium: float | None
    oks_ar_large: float | None
    nme_outer_eye_corners: float | None
    nme_box_side: float | None
    pck05_box_longer_side: float | None
    pck20_box_longer_side: float | None
    pckh50_head_segment: float | None
    pdj20_torso: float | None
    pcp50_strict: float | None
    pcp50_loose: float | None
    oks_sigmas_reason: str
    per_joint: tuple[JointScores, ...]

    def __str__(self) -> str:
        sigmas = sorted({row.oks_sigma for row in self.per_joint})
        shown = ", ".join(f"{sigma:g}" for sigma in sigmas[:1] + sigmas[1:][-1:])
        return f"{super().__str__()}\nOKS by the sigmas {self.oks_sigmas_reason} ({shown.replace(', ', ' to ')})"


class PoseMetric(Metric[Keypoints, Keypoints]):
    """Objects of all images in tables."""

    def __init__(self, info: ClassInfo) -> None:
        assert info.skeleton is not None
        self.skeleton: Skeleton = info.skeleton
        self.num_classes = len(info)
        self.reset()

    def reset(self) -> None:
        self.images = 0
        self.ground_truths: list[GroundTruthPoseTable] = []
        self.predictions: list[PredictedPoseTable] = []
        self.matched: list[np.ndarray[Any, Any]] = []  # points of the prediction of each annotated object, or nan

    def update(self, predictions: Sequence[Keypoints], targets: Sequence[Keypoints]) -> None:
        check_lengths(predictions=predictions, targets=targets)
        for prediction, target in zip(predictions, targets, strict=True):
            if len(target):
                self.ground_truths.append(ground_truth_table(target, self.images))
                self.matched.append(_matched(prediction, target))
            if len(prediction):
                self.predictions.append(_prediction_table(prediction, self.images))
            self.images += 1

    def merge(self, other: PoseMetric) -> None:
        moved = self.images
        self.ground_truths += [_moved(table, moved) for table in other.ground_truths]
        self.predictions += [_moved(table, moved) for table in other.predictions]
        self.matched += other.matched
        self.images += other.images

    def compute(self) -> PoseResult:
        oks = OksSummary()
        if self.ground_truths:
            joints = len(self.skeleton)
            none = PredictedPoseTable(
                np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, joints, 2)), np.zeros(0, np.float64)
            )
            oks = oks_average_precision(
                join(self.ground_truths),
                join(self.predictions) if self.predictions else none,
                sigmas=self.skeleton.sigmas,
                num_images=self.images,
                num_classes=self.num_classes,
            )
        return PoseResult(count=self.images, **asdict(oks), **self._errors())

    def _errors(self) -> dict[str, Any]:
        skeleton = self.skeleton
        if self.ground_truths:
            table, predicted = join(self.ground_truths), np.concatenate(self.matched)
            labeled: Any = table.visibility > 0
            counts = np.flatnonzero(~table.crowd & labeled.any(1))
            table, predicted = table.where(counts), predicted[counts]
            points, labeled, xywh = table.points, table.visibility > 0, table.xywh
        else:
            points = predicted = np.zeros((0, len(skeleton), 2))
            labeled, xywh = np.zeros((0, len(skeleton)), bool), np.zeros((0, 4))
        found: Any = np.isfinite(predicted).all((1, 2))
        distances = np.where(found[:, None], joint_distances(predicted, points), np.inf)
        box = np.sqrt(xywh[:, 2] * xywh[:, 3])
        longer = xywh[:, 2:].max(1, initial=0.0)
        eyes, head, torso = (
            _length(points, labeled, skeleton, *names)
            for names in (
                (("right_eye_outer_corner",), ("left_eye_outer_corner",)),
                (("head_top", "top_head", "head"), ("upper_neck", "neck")),
                (("left_shoulder",), ("right_hip",)),
            )
        )

        def share(length: Any, part: float) -> float | None:
            return share_of_joints(correct_joints(distances, length, part), labeled, length)

        def error(length: Any) -> float | None:
            return normalized_mean_error(distances[found], labeled[found], length[found])

        def parts(*, strict: bool) -> float | None:
            return correct_parts(distances, points, labeled, skeleton.limbs, strict=strict)

        return {
            "objects": len(points),
            "missed": int((~found).sum()),
            "nme_outer_eye_corners": error(eyes),
            "nme_box_side": error(box),
            "pck05_box_longer_side": share(longer, 0.05),
            "pck20_box_longer_side": share(longer, 0.2),
            "pckh50_head_segment": share(head, 0.5),
            "pdj20_torso": share(torso, 0.2),
            "pcp50_strict": parts(strict=True),
            "pcp50_loose": parts(strict=False),
            "oks_sigmas_reason": skeleton.sigmas_reason,
            "per_joint": tuple(
                self._joint(place, distances, labeled, box, longer, found) for place in range(len(skeleton))
            ),
        }

    def _joint(self, place: int, distances: Any, labeled: Any, box: Any, longer: Any, found: Any) -> JointScores:
        own = labeled[:, place]
        near = distances[own & found, place]
        right = distances[own, place] <= 0.2 * longer[own]
        return JointScores(
            self.skeleton.names[place],
            int(own.sum()),
            float(right.mean()) if len(right) else None,
            float((near / box[own & found]).mean()) if len(near) else None,
            float(near.mean()) if len(near) else None,
            self.skeleton.sigmas[place],
        )


def ground_truth_table(target: Keypoints, image: int) -> GroundTruthPoseTable:
    """The annotated objects of one image; one without a box is as large as the box around its labeled joints."""
    count = len(target)
    xyxy = boxes_of(target)
    side = xyxy[:, 2:] - xyxy[:, :2]
    area = side[:, 0] * side[:, 1] if target.areas is None else target.areas.double().numpy()
    labels = np.zeros(count, np.int64) if target.labels is None else target.labels.numpy()
    crowd = np.zeros(count, bool) if target.crowd is None else target.crowd.numpy()
    points, flags = target.points.double().numpy(), target.visibility.numpy()
    return GroundTruthPoseTable(
        np.full(count, image), labels, points, flags, np.concatenate([xyxy[:, :2], side], 1), area, crowd
    )


def boxes_of(target: Keypoints) -> Any:
    """xyxy, float64: the objects' own, else those around their labeled joints."""
    if target.xyxy is not None:
        return target.xyxy.double().numpy()
    points, labeled = target.points.double().numpy(), target.labeled.numpy()[..., None]
    low = np.where(labeled, points, np.inf).min(1)
    high = np.where(labeled, points, -np.inf).max(1)
    return np.where(np.isfinite(low).all(1)[:, None], np.concatenate([low, high], 1), 0.0)


def _prediction_table(prediction: Keypoints, image: int) -> PredictedPoseTable:
    count = len(prediction)
    labels = np.zeros(count, np.int64) if prediction.labels is None else prediction.labels.numpy()
    scores = np.ones(count) if prediction.scores is None else prediction.scores.double().numpy()
    return PredictedPoseTable(np.full(count, image), labels, prediction.points.double().numpy(), scores)


def _matched(prediction: Keypoints, target: Keypoints) -> Any:
    points = np.full(tuple(target.points.shape), np.nan)
    rows = match_objects(prediction, target).numpy()
    points[rows >= 0] = prediction.points.double().numpy()[rows[rows >= 0]]
    return points


def _length(points: Any, labeled: Any, skeleton: Skeleton, first: Sequence[str], second: Sequence[str]) -> Any:
    """The distance of two joints of each object; nan where the skeleton lacks one."""
    places = skeleton.place(*first), skeleton.place(*second)
    if places[0] is None or places[1] is None:
        return np.full(len(points), np.nan)
    return segment_length(points, labeled, places[0], places[1])


def _moved(table: Any, count: int) -> Any:
    return replace(table, image=table.image + count)
