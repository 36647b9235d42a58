"""COCO's figures: average precision and recall over ten overlaps, by size of the object and number of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from zorki.metrics.tables import DetectionTable, GroundTruthTable

OVERLAPS = 10  # .50, .55, ..., .95
RECALLS = 101  # 0, .01, ..., 1
SIZES = ("small", "medium", "large")  # up to 32 x 32 pixels, up to 96 x 96, above
MOST = (1, 10, 100)  # answers an image and class

# Larger than any size that counts: COCO leaves such objects out, found or not.
_OUT_OF_COUNT = 1e12


@dataclass(frozen=True)
class CocoCurves:
    """What COCO's evaluation leaves behind; -1 where a class has no object of a size.

    Axes: overlap, recall, class, size, number of answers. `precision` is the largest at this recall or a higher one,
    `score` that of the answer with which the recall is reached.
    """

    precision: Float64[ndarray, "overlaps recalls K sizes most"]
    recall: Float64[ndarray, "overlaps K sizes most"]
    score: Float64[ndarray, "overlaps recalls K sizes most"]

    def figures(self) -> dict[str, float | None]:
        """The twelve figures; None where there is no object to find."""
        found: dict[str, float | None] = {
            "ap": _mean(self.precision[..., 0, -1]),
            "ap50": _mean(self.precision[0, ..., 0, -1]),
            "ap75": _mean(self.precision[5, ..., 0, -1]),
        }
        found |= {f"ap_{size}": _mean(self.precision[..., i, -1]) for i, size in enumerate(SIZES, 1)}
        found |= {f"ar{most}": _mean(self.recall[..., 0, i]) for i, most in enumerate(MOST)}
        return found | {f"ar_{size}": _mean(self.recall[..., i, -1]) for i, size in enumerate(SIZES, 1)}

    def of_class(self, label: int) -> dict[str, float | None]:
        """`ap` and `ap50` of one class; None where it has no object."""
        precision = self.precision[:, :, label, 0, -1]
        return {"ap": _mean(precision), "ap50": _mean(precision[0])}

    def at_recalls(self, label: int) -> list[float] | None:
        """Precision of one class at recalls 0, .01, ..., 1 and an overlap of .5; None where it has no object."""
        precision = self.precision[0, :, label, 0, -1]
        return None if precision[0] < 0 else [float(value) for value in precision]


@dataclass(frozen=True)
class Segmentations:
    """Masks in the place of boxes: COCO's polygons or run lengths of every truth and detection.

    `sizes` are (height, width) of the images, in pixels.
    """

    truths: Sequence[Any]
    detections: Sequence[Any]
    sizes: Sequence[tuple[int, int]]


def coco_curves(
    truths: GroundTruthTable,
    detections: DetectionTable,
    *,
    num_images: int,
    num_classes: int,
    outlines: Segmentations | None = None,
) -> CocoCurves:
    """Evaluates boxes as COCO does (Lin et al., 2014; https://cocodataset.org/#detection-eval).

    Best answers first, each takes the free object of its class that it overlaps most; answers on a crowd do not count.
    COCO knows no difficult objects: they are left out like objects of another size, found or not. With `outlines`
    masks are compared instead of boxes.
    """
    import hotcoco

    images: list[dict[str, Any]] = [{"id": image} for image in range(1, num_images + 1)]
    if outlines is not None:
        for image, (height, width) in zip(images, outlines.sizes, strict=True):
            image |= {"height": height, "width": width}
    truth = hotcoco.COCO.from_arrays(
        images,
        [{"id": label, "name": str(label)} for label in range(1, num_classes + 1)],
        truths.image + 1,
        truths.label + 1,
        truths.xywh,
        area=np.where(truths.difficult, _OUT_OF_COUNT, truths.area),
        iscrowd=truths.crowd.astype(np.int64),
        segmentation=None if outlines is None else list(outlines.truths),
    )
    answers = truth.load_res(_rows(detections) if outlines is None else _masked_rows(detections, outlines))
    evaluation = hotcoco.COCOeval(truth, answers, "bbox" if outlines is None else "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    found: Any = evaluation.eval
    return CocoCurves(found["precision"], found["recall"], found["scores"])


def _rows(detections: DetectionTable) -> ndarray:
    return np.column_stack([detections.image + 1, detections.xywh, detections.score, detections.label + 1])


def _masked_rows(detections: DetectionTable, outlines: Segmentations) -> list[dict[str, Any]]:
    """One mapping each, and no box: the area that decides on small and large is then that of the mask."""
    columns = (detections.image + 1, detections.label + 1, detections.score)
    return [
        {"image_id": image, "category_id": label, "score": score, "segmentation": outline}
        for image, label, score, outline in zip(*(c.tolist() for c in columns), outlines.detections, strict=True)
    ]


def _mean(values: ndarray) -> float | None:
    known = values[values > -1]
    return float(known.mean()) if len(known) else None
