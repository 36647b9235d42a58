"""COCO's scores: average precision and recall over ten IoU thresholds, by object size and number of detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from zorki.metrics.tables import DetectionTable, GroundTruthTable

OVERLAPS = 10  # IoU thresholds .50, .55, ..., .95
RECALLS = 101  # 0, .01, ..., 1
SIZES = ("small", "medium", "large")  # areas up to 32 x 32 pixels, up to 96 x 96, above
MAX_DETECTIONS = (1, 10, 100)  # of an image and class

# Larger than any size that counts: COCO leaves such objects out, found or not.
_OUT_OF_COUNT = 1e12


@dataclass(frozen=True)
class ApSummary:
    """Average precision, mean over classes; None where there is no object.

    Attributes:
        ap: at IoU .50, .55, ..., .95, the mean.
        ap50, ap75: at one IoU.
    """

    ap: float | None = None
    ap50: float | None = None
    ap75: float | None = None


@dataclass(frozen=True)
class CocoSummary(ApSummary):
    """COCO's twelve scores, in COCO's order; None where there is no object of the size.

    Attributes:
        ap_small, ap_medium, ap_large: objects below 32², from 32² to 96², above 96² pixels.
        ar1, ar10, ar100: mean recall with so many detections an image and class.
        ar_small, ar_medium, ar_large: mean recall with 100 detections, by size.
    """

    ap_small: float | None = None
    ap_medium: float | None = None
    ap_large: float | None = None
    ar1: float | None = None
    ar10: float | None = None
    ar100: float | None = None
    ar_small: float | None = None
    ar_medium: float | None = None
    ar_large: float | None = None

    def __str__(self) -> str:
        """As `COCOeval.summarize` of pycocotools prints it; -1 for None."""
        lines = []
        for name in COCO_SCORES:
            title, short = ("Average Precision", "(AP)") if name.startswith("ap") else ("Average Recall", "(AR)")
            iou = {"ap50": "0.50", "ap75": "0.75"}.get(name, "0.50:0.95")
            area = name.partition("_")[2] or "all"
            most = int(name[2:]) if name.startswith("ar") and area == "all" else MAX_DETECTIONS[-1]
            value = getattr(self, name)
            shown = -1.0 if value is None else value
            lines.append(
                f" {title:<18} {short} @[ IoU={iou:<9} | area={area:>6s} | maxDets={most:>3d} ] = {shown:0.3f}"
            )
        return "\n".join(lines)


COCO_SCORES = tuple(field.name for field in fields(CocoSummary))


@dataclass(frozen=True)
class CocoCurves:
    """What COCO's evaluation leaves behind; -1 where a class has no object of a size.

    Axes: IoU threshold, recall, class, size, number of detections. `precision` is the largest at this recall or a
    higher one, `score` that of the detection with which the recall is reached.
    """

    precision: Float64[ndarray, "overlaps recalls K sizes most"]
    recall: Float64[ndarray, "overlaps K sizes most"]
    score: Float64[ndarray, "overlaps recalls K sizes most"]

    def summary(self) -> CocoSummary:
        by_size = range(1, len(SIZES) + 1)
        return CocoSummary(
            _mean(self.precision[..., 0, -1]),
            _mean(self.precision[0, ..., 0, -1]),
            _mean(self.precision[5, ..., 0, -1]),
            *(_mean(self.precision[..., size, -1]) for size in by_size),
            *(_mean(self.recall[..., 0, most]) for most in range(len(MAX_DETECTIONS))),
            *(_mean(self.recall[..., size, -1]) for size in by_size),
        )

    def of_class(self, label: int) -> ApSummary:
        """The scores of one class; None where it has no object."""
        precision = self.precision[:, :, label, 0, -1]
        return ApSummary(_mean(precision), _mean(precision[0]), _mean(precision[5]))

    def precision_at_recalls(self, label: int) -> tuple[float, ...] | None:
        """Precision of one class at recalls 0, .01, ..., 1 and an IoU of .5; None where it has no object."""
        precision = self.precision[0, :, label, 0, -1]
        return None if precision[0] < 0 else tuple(float(value) for value in precision)


@dataclass(frozen=True)
class Segmentations:
    """Masks in the place of boxes: COCO's polygons or run lengths of every object and detection.

    `sizes` are (height, width) of the images, in pixels.
    """

    ground_truths: Sequence[Any]
    detections: Sequence[Any]
    sizes: Sequence[tuple[int, int]]


def coco_curves(
    ground_truths: GroundTruthTable,
    detections: DetectionTable,
    *,
    num_images: int,
    num_classes: int,
    segmentations: Segmentations | None = None,
) -> CocoCurves:
    """Evaluates boxes as COCO does (Lin et al., 2014; https://cocodataset.org/#detection-eval).

    Best scores first, each detection takes the free object of its class that it overlaps most; detections on a crowd
    are ignored. COCO knows no difficult objects: they are left out like objects of another size, found or not. With
    `segmentations` masks are compared instead of boxes.
    """
    import hotcoco

    images: list[dict[str, Any]] = [{"id": image} for image in range(1, num_images + 1)]
    if segmentations is not None:
        for image, (height, width) in zip(images, segmentations.sizes, strict=True):
            image |= {"height": height, "width": width}
    annotated = hotcoco.COCO.from_arrays(
        images,
        [{"id": label, "name": str(label)} for label in range(1, num_classes + 1)],
        ground_truths.image + 1,
        ground_truths.label + 1,
        ground_truths.xywh,
        area=np.where(ground_truths.difficult, _OUT_OF_COUNT, ground_truths.area),
        iscrowd=ground_truths.crowd.astype(np.int64),
        segmentation=None if segmentations is None else list(segmentations.ground_truths),
    )
    rows = _rows(detections) if segmentations is None else _masked_rows(detections, segmentations)
    evaluation = hotcoco.COCOeval(annotated, annotated.load_res(rows), "bbox" if segmentations is None else "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    found: Any = evaluation.eval
    return CocoCurves(found["precision"], found["recall"], found["scores"])


def _rows(detections: DetectionTable) -> ndarray:
    return np.column_stack([detections.image + 1, detections.xywh, detections.score, detections.label + 1])


def _masked_rows(detections: DetectionTable, segmentations: Segmentations) -> list[dict[str, Any]]:
    """One mapping each, and no box: the area that decides on small and large is then that of the mask."""
    columns = (detections.image + 1, detections.label + 1, detections.score)
    return [
        {"image_id": image, "category_id": label, "score": score, "segmentation": mask}
        for image, label, score, mask in zip(*(c.tolist() for c in columns), segmentations.detections, strict=True)
    ]


def _mean(values: ndarray) -> float | None:
    valid = values[values > -1]
    return float(valid.mean()) if len(valid) else None
