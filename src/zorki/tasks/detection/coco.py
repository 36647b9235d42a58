"""COCO's figures: average precision and recall over ten overlaps, by size of the object and number of answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from zorki.tasks.detection.columns import Detections, Truths

OVERLAPS = 10  # .50, .55, ..., .95
RECALLS = 101  # 0, .01, ..., 1
SIZES = ("small", "medium", "large")  # up to 32 x 32 pixels, up to 96 x 96, above
MOST = (1, 10, 100)  # answers a picture and class

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


def coco_curves(truths: Truths, detections: Detections, *, num_images: int, num_classes: int) -> CocoCurves:
    """Evaluates boxes as COCO does (Lin et al., 2014; https://cocodataset.org/#detection-eval).

    Best answers first, each takes the free object of its class that it overlaps most; answers on a crowd do not count.
    COCO knows no difficult objects: they are left out like objects of another size, found or not.
    """
    import hotcoco

    area = np.where(truths.difficult, _OUT_OF_COUNT, truths.area)
    truth = hotcoco.COCO.from_arrays(
        [{"id": image} for image in range(1, num_images + 1)],
        [{"id": label, "name": str(label)} for label in range(1, num_classes + 1)],
        truths.image + 1,
        truths.label + 1,
        truths.xywh,
        area=area,
        iscrowd=truths.crowd.astype(np.int64),
    )
    rows = np.column_stack([detections.image + 1, detections.xywh, detections.score, detections.label + 1])
    evaluation = hotcoco.COCOeval(truth, truth.load_res(rows.astype(np.float64)), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    return curves_of(evaluation.eval)


def curves_of(accumulated: dict[str, ndarray]) -> CocoCurves:
    """The curves of an evaluation that was accumulated."""
    return CocoCurves(accumulated["precision"], accumulated["recall"], accumulated["scores"])


def _mean(values: ndarray) -> float | None:
    known = values[values > -1]
    return float(known.mean()) if len(known) else None
