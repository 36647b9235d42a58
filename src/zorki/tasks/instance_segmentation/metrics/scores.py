"""All scores of instance segmentation from the tables of masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from zorki.contracts import MetricResult
from zorki.contracts.metric import plain_values
from zorki.metrics.coco_ap import COCO_SCORES, ApSummary, coco_curves
from zorki.metrics.error_types import BACKGROUND_IOU, FOREGROUND_IOU
from zorki.metrics.label_maps import LabelMapScores, label_maps
from zorki.metrics.mask_tables import MaskTables
from zorki.metrics.matching import match
from zorki.metrics.panoptic import PanopticQuality, panoptic_counts
from zorki.tasks.detection.metrics.scores import DetectionResult, detection_result

USUAL_SCORE = 0.5  # from which on detections are kept where none is right, so that no score is better than another
_OF_MASKS = (*COCO_SCORES, "voc_ap", "voc_ap_11")


@dataclass(frozen=True)
class ObjectCounts:
    """Objects of each image, as annotated and as predicted in its label map."""

    ground_truth: tuple[int, ...] = ()
    predicted: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InstanceResult(MetricResult):
    """How well objects and their masks are found, and how many there are.

    In JSON the scores of masks are called `mask_ap`, `mask_ap50` and so on, those of boxes `box_ap`; all others stand
    beside them by their own names.

    Attributes:
        masks: the scores of detection, with the IoU of masks in the place of that of boxes.
        boxes: COCO's average precision of the boxes.
        map_threshold: from which score on detections were laid into label maps.
        maps: scores of label maps.
        panoptic: mean over classes.
        panoptic_per_class: in the order of labels.
        counts: of objects, by image.
    """

    masks: DetectionResult = field(default_factory=lambda: DetectionResult(count=0))
    boxes: ApSummary = field(default_factory=ApSummary)
    map_threshold: float | None = None
    maps: LabelMapScores = field(default_factory=LabelMapScores)
    panoptic: PanopticQuality = field(default_factory=PanopticQuality)
    panoptic_per_class: tuple[PanopticQuality, ...] = ()
    counts: ObjectCounts = field(default_factory=ObjectCounts)

    def to_json(self) -> dict[str, Any]:
        parts = {name: plain_values(getattr(self, name)) for name in ("boxes", "maps", "panoptic", "counts")}
        found: dict[str, Any] = {}
        for name, value in self.masks.to_json().items():
            if name == "best_threshold":  # before it: all that goes over all scores
                found |= {f"box_{key}": score for key, score in parts["boxes"].items()}
            if name == "per_class":
                found |= {"map_threshold": self.map_threshold, **parts["maps"], **parts["panoptic"]}
                quality = plain_values(self.panoptic_per_class)
                value = [row | own for row, own in zip(value, quality, strict=True)]
            found[f"mask_{name}" if name in _OF_MASKS else name] = value
        return found | {"counts": parts["counts"]}

    def __str__(self) -> str:
        """As `COCOeval.summarize` of pycocotools prints it for masks."""
        return str(self.masks)


def instance_result(
    tables: MaskTables, class_names: Sequence[str], *, min_score: float | None = None
) -> InstanceResult:
    """The scores of some images, at least one.

    Args:
        min_score: from which on detections are laid into the label map of their image; None takes the score of the
            best F1.
    """
    num_classes, count = len(class_names), tables.num_images
    ground_truths, detections = tables.ground_truths, tables.detections
    sizes: dict[str, Any] = {"num_images": count, "num_classes": num_classes}
    curves = coco_curves(ground_truths, detections, segmentations=tables.segmentations, **sizes)
    pairs = tables.pairs(BACKGROUND_IOU)
    masks = detection_result(ground_truths, detections, class_names, count, curves=curves, pairs=pairs)
    boxes = coco_curves(ground_truths, detections, **sizes).summary()
    if min_score is None:
        min_score = USUAL_SCORE if masks.best_threshold is None else masks.best_threshold
    maps = label_maps(tables, match(ground_truths, detections, pairs, FOREGROUND_IOU), min_score)
    quality = panoptic_counts(maps, num_classes)
    annotated, predicted = maps.counts()
    return InstanceResult(
        count=count,
        masks=masks,
        boxes=ApSummary(boxes.ap or 0.0, boxes.ap50 or 0.0, boxes.ap75 or 0.0),
        map_threshold=min_score,
        maps=maps.scores(),
        panoptic=quality.mean(),
        panoptic_per_class=tuple(quality.of_class(label) for label in range(num_classes)),
        counts=ObjectCounts(tuple(annotated.tolist()), tuple(predicted.tolist())),
    )
