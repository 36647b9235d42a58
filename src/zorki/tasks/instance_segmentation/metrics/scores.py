"""All figures of instance segmentation from the tables of masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zorki.metrics.coco_ap import coco_curves
from zorki.metrics.error_types import BACKGROUND_IOU, FOUND_IOU
from zorki.metrics.label_maps import LabelMaps, label_maps
from zorki.metrics.mask_tables import MaskTables
from zorki.metrics.matching import match
from zorki.metrics.panoptic import bowl_precision, panoptic, symmetric_best_dice
from zorki.tasks.detection.metrics.scores import TWELVE, detection_figures

USUAL_SCORE = 0.5  # from which answers count where none is right, so that no score is better than another
OF_BOXES = ("ap", "ap50", "ap75")
_OF_MASKS = (*TWELVE, "voc_ap", "voc_ap_11")


def instance_figures(
    tables: MaskTables, class_names: Sequence[str], *, min_score: float | None = None
) -> dict[str, Any]:
    """What `InstanceMetric.compute` tells of some images, at least one.

    Args:
        min_score: from which answers are laid into the map of their image; None takes the score of the best F1.
    """
    num_classes, count = len(class_names), tables.num_images
    truths, detections = tables.truths, tables.detections
    sizes: dict[str, Any] = {"num_images": count, "num_classes": num_classes}
    curves = coco_curves(truths, detections, outlines=tables.outlines, **sizes)
    pairs = tables.pairs(BACKGROUND_IOU)
    found = detection_figures(truths, detections, class_names, count, curves=curves, pairs=pairs)
    boxes = coco_curves(truths, detections, **sizes).figures()
    if min_score is None:
        min_score = USUAL_SCORE if found["best_threshold"] is None else found["best_threshold"]
    laid = label_maps(tables, match(truths, detections, pairs, FOUND_IOU), min_score)
    quality = panoptic(laid, num_classes)
    for label, name in enumerate(class_names):
        found["per_class"][name] |= quality.of_class(label)
    figures: dict[str, Any] = {}
    for name, value in found.items():
        if name == "best_threshold":  # before it: all that goes over all scores
            figures |= {f"box_{one}": boxes[one] or 0.0 for one in OF_BOXES}
        if name == "per_class":
            figures |= {"map_threshold": min_score, **_map_figures(laid), **quality.means()}
        figures[f"mask_{name}" if name in _OF_MASKS else name] = value
    truth, answered = laid.counts()
    figures["counts"] = {"truth": truth.tolist(), "answered": answered.tolist()}
    return figures


def _map_figures(laid: LabelMaps) -> dict[str, float]:
    precision = bowl_precision(laid).mean(1)
    truth, found = laid.counts()
    difference = found - truth
    return {
        "bowl_ap50": float(precision[0]),
        "bowl_ap": float(precision.mean()),
        "sbd": float(symmetric_best_dice(laid).mean()),
        "dic": float(difference.mean()),
        "abs_dic": float(np.abs(difference).mean()),
        "worst_dic": int(difference[np.abs(difference).argmax()]),
    }
