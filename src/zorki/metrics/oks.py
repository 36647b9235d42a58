"""Object keypoint similarity, and COCO's average precision by it (https://cocodataset.org/#keypoints-eval)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from zorki.metrics.tables import Table

if TYPE_CHECKING:
    from jaxtyping import Bool, Float64, Int64

COCO_SIGMAS = (
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089,
    0.089,
)  # fmt: skip
"""Of COCO's 17 joints, measured on repeated annotation (Ruggero Ronchi and Perona, 2017)."""

MAX_DETECTIONS = 20  # of an image and class


@dataclass(frozen=True)
class GroundTruthPoseTable(Table):
    """Annotated objects: `image` and `label` are places in lists, coordinates in pixels of the image.

    `visibility` is 0 where a joint is not labeled. `area`, in square pixels, is OKS's scale, and decides whether an
    object is medium or large. `crowd` marks objects that need not be found; so does an object without a labeled joint.
    """

    image: Int64[ndarray, " N"]
    label: Int64[ndarray, " N"]
    points: Float64[ndarray, "N P 2"]
    visibility: Int64[ndarray, "N P"]
    xywh: Float64[ndarray, "N 4"]
    area: Float64[ndarray, " N"]
    crowd: Bool[ndarray, " N"]

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True)
class PredictedPoseTable(Table):
    """Predicted objects, with a score each."""

    image: Int64[ndarray, " N"]
    label: Int64[ndarray, " N"]
    points: Float64[ndarray, "N P 2"]
    score: Float64[ndarray, " N"]

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True)
class OksSummary:
    """COCO's ten scores of keypoints, in COCO's order; None where there is no object of the size.

    Attributes:
        oks_ap: at OKS .50, .55, ..., .95, the mean.
        oks_ap50, oks_ap75: at one OKS.
        oks_ap_medium, oks_ap_large: objects from 32² to 96² pixels, above 96² pixels.
        oks_ar, oks_ar50, oks_ar75, oks_ar_medium, oks_ar_large: recall with 20 predictions an image and class.
    """

    oks_ap: float | None = None
    oks_ap50: float | None = None
    oks_ap75: float | None = None
    oks_ap_medium: float | None = None
    oks_ap_large: float | None = None
    oks_ar: float | None = None
    oks_ar50: float | None = None
    oks_ar75: float | None = None
    oks_ar_medium: float | None = None
    oks_ar_large: float | None = None


def object_keypoint_similarity(
    predicted: Float64[ndarray, "N P 2"],
    points: Float64[ndarray, "N P 2"],
    visibility: Int64[ndarray, "N P"],
    area: Float64[ndarray, " N"],
    sigmas: Sequence[float],
) -> Float64[ndarray, " N"]:
    """Mean over labeled joints of exp(-d² / (2 area (2 sigma)²)), of each pair of a row; nan without labeled joints."""
    variances = (2 * np.asarray(sigmas, np.float64)) ** 2
    squares = ((predicted - points) ** 2).sum(2)
    errors = squares / variances / (area[:, None] + np.spacing(1)) / 2
    labeled = visibility > 0
    with np.errstate(invalid="ignore"):
        return np.asarray((np.exp(-errors) * labeled).sum(1) / labeled.sum(1), np.float64)


def oks_average_precision(
    ground_truths: GroundTruthPoseTable,
    predictions: PredictedPoseTable,
    *,
    sigmas: Sequence[float],
    num_images: int,
    num_classes: int,
) -> OksSummary:
    """Evaluates keypoints as COCO does: the equal of pycocotools' `COCOeval(..., "keypoints")` with these sigmas.

    As there, objects without a labeled joint need not be found, and predictions near one of them count for nothing.
    """
    if not len(ground_truths):
        return OksSummary()
    evaluation = _evaluated(ground_truths, predictions, sigmas, num_images, num_classes)
    precision, recall = evaluation["precision"][..., 0], evaluation["recall"][..., 0]
    # Axes: threshold, recall, class, size (all, medium, large); and without that of recalls.
    parts: list[Any] = []
    for values in (precision, recall):
        parts += [values[..., 0], values[0, ..., 0], values[5, ..., 0], values[..., 1], values[..., 2]]
    return OksSummary(*map(_mean, parts))


def _evaluated(
    ground_truths: GroundTruthPoseTable,
    predictions: PredictedPoseTable,
    sigmas: Sequence[float],
    num_images: int,
    num_classes: int,
) -> Any:
    import hotcoco

    columns = [getattr(ground_truths, f.name) for f in fields(ground_truths)]
    flags = ground_truths.visibility[..., None].astype(np.float64)
    joints = np.concatenate([ground_truths.points, flags], 2).reshape(-1, 3 * ground_truths.points.shape[1]).tolist()
    annotations = [
        {
            "id": row + 1,  # 0 is no id: what finds it would count as a miss
            "image_id": int(image) + 1,
            "category_id": int(label) + 1,
            "keypoints": joints[row],
            "num_keypoints": int((visibility > 0).sum()),
            "bbox": xywh.tolist(),
            "area": float(area),
            "iscrowd": int(crowd),
        }
        for row, (image, label, _, visibility, xywh, area, crowd) in enumerate(zip(*columns, strict=True))
    ]
    annotated = hotcoco.COCO(
        {
            "images": [{"id": image} for image in range(1, num_images + 1)],
            "categories": [{"id": label, "name": str(label)} for label in range(1, num_classes + 1)],
            "annotations": annotations,
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that other sigmas are another measure: they are told beside it
        evaluation = hotcoco.COCOeval(annotated, annotated.load_res(_results(predictions)), "keypoints")
        evaluation.params.kpt_oks_sigmas = list(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval


def _results(predictions: PredictedPoseTable) -> list[dict[str, Any]]:
    seen = np.full((*predictions.points.shape[:2], 1), 2.0)
    joints = np.concatenate([predictions.points, seen], 2).reshape(-1, 3 * predictions.points.shape[1]).tolist()
    rows = zip(predictions.image.tolist(), predictions.label.tolist(), joints, predictions.score.tolist(), strict=True)
    return [
        {"image_id": image + 1, "category_id": label + 1, "keypoints": points, "score": score}
        for image, label, points, score in rows
    ]


def _mean(values: ndarray) -> float | None:
    measured = values[values > -1]
    return float(measured.mean()) if len(measured) else None
