"""Detections as one label map an image, with one object in a pixel at most, and the scores of benchmarks that want it.

Data Science Bowl 2018 (nuclei), and the leaf challenges of CVPPP; panoptic quality stands in `zorki.metrics.panoptic`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from zorki.metrics.mask_tables import MaskTables
from zorki.metrics.matching import Matches, Pairs, match
from zorki.metrics.tables import DetectionTable, GroundTruthTable

BOWL_OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))


@dataclass(frozen=True)
class LabelMapScores:
    """Means over images, but for `worst_dic`.

    Attributes:
        bowl_ap50: TP / (TP + FP + FN) at an IoU above .5, as the Data Science Bowl 2018 counts.
        bowl_ap: the same, mean over IoU .50, .55, ..., .95.
        sbd: symmetric best Dice (Scharr et al., 2016).
        dic: difference in count, predicted less annotated, in objects (Minervini et al., 2014).
        abs_dic: its absolute value, in objects.
        worst_dic: the difference of the image where it is farthest from 0, in objects.
    """

    bowl_ap50: float | None = None
    bowl_ap: float | None = None
    sbd: float | None = None
    dic: float | None = None
    abs_dic: float | None = None
    worst_dic: int | None = None


@dataclass(frozen=True)
class LabelMaps:
    """The detections that are kept, laid into one label map an image, and the objects that have to be found.

    Args:
        ground_truth_area, detection_area: pixels of each object, and of each detection as far as it is visible.
        pairs: detections and objects that share a pixel, whatever their classes.
        shared: of each pair, the pixels.
    """

    num_images: int
    ground_truths: GroundTruthTable
    detections: DetectionTable
    ground_truth_area: Int64[ndarray, " M"]
    detection_area: Int64[ndarray, " D"]
    pairs: Pairs
    shared: Int64[ndarray, " P"]

    def matched(self, min_iou: float) -> Matches:
        """Which detection finds which object of its class with an IoU above `min_iou`, which is .5 or more.

        Where no two objects share pixels, there is one such detection for an object at most, and one object for it.
        """
        return match(self.ground_truths, self.detections, self.pairs.where(self.pairs.iou > min_iou), min_iou)

    def counts(self) -> tuple[Int64[ndarray, " images"], Int64[ndarray, " images"]]:
        """How many objects, and how many detections, each image has."""
        annotated = np.bincount(self.ground_truths.image, minlength=self.num_images)
        return annotated, np.bincount(self.detections.image, minlength=self.num_images)

    def scores(self) -> LabelMapScores:
        precision = bowl_precision(self).mean(1)
        annotated, found = self.counts()
        difference = found - annotated
        return LabelMapScores(
            bowl_ap50=float(precision[0]),
            bowl_ap=float(precision.mean()),
            sbd=float(symmetric_best_dice(self).mean()),
            dic=float(difference.mean()),
            abs_dic=float(np.abs(difference).mean()),
            worst_dic=int(difference[np.abs(difference).argmax()]),
        )


def label_maps(tables: MaskTables, matches: Matches, min_score: float) -> LabelMaps:
    """The detections with a score of `min_score` or more, as a label map an image.

    Detections that are ignored, on crowds and on difficult objects, are left out, and so are those that others hide.

    Args:
        matches: of the tables, at an IoU of .5.
    """
    kept = (tables.detections.score >= min_score) & ~matches.ignored & (tables.visible_area > 0)
    positive = tables.ground_truths.positive
    found_row, annotated_row = np.cumsum(kept) - 1, np.cumsum(positive) - 1
    visible = tables.visible.where(kept[tables.visible.detection] & positive[tables.visible.ground_truth])
    found, annotated = found_row[visible.detection], annotated_row[visible.ground_truth]
    found_area, annotated_area = tables.visible_area[kept], tables.ground_truth_area[positive]
    iou = visible.pixels / (found_area[found] + annotated_area[annotated] - visible.pixels)
    return LabelMaps(
        tables.num_images,
        tables.ground_truths.where(positive),
        tables.detections.where(kept),
        annotated_area,
        found_area,
        Pairs(found, annotated, iou),
        visible.pixels,
    )


def bowl_precision(maps: LabelMaps, overlaps: Sequence[float] = BOWL_OVERLAPS) -> Float64[ndarray, "overlaps images"]:
    """TP / (TP + FP + FN) of each image, as the Data Science Bowl of 2018 counts it.

    A detection is a true positive that overlaps an object of its class by more than the threshold. An image with
    neither object nor detection has 1; the Bowl had none.
    """
    annotated, found = maps.counts()
    rows = []
    for min_iou in overlaps:
        true = maps.matched(min_iou).ground_truth >= 0
        tp = np.bincount(maps.detections.image[true], minlength=maps.num_images)
        union = annotated + found - tp
        rows.append(np.where(union > 0, tp / np.maximum(union, 1), 1.0))
    return np.stack(rows)


def symmetric_best_dice(maps: LabelMaps) -> Float64[ndarray, " images"]:
    """SBD of each image (Scharr et al., 2016, equations 2 and 3), whatever the classes.

    Best Dice is the mean over one side's objects of the largest Dice that each has with an object of the other; SBD is
    the smaller one of both directions. 1 where neither side has an object, 0 where one has none.
    """
    pairs = maps.pairs
    dice = 2 * maps.shared / (maps.detection_area[pairs.detection] + maps.ground_truth_area[pairs.ground_truth])
    sides = []
    for row, image in ((pairs.ground_truth, maps.ground_truths.image), (pairs.detection, maps.detections.image)):
        best = np.zeros(len(image))
        np.maximum.at(best, row, dice)
        count = np.bincount(image, minlength=maps.num_images)
        sides.append(np.bincount(image, best, maps.num_images) / np.maximum(count, 1))
    annotated, found = maps.counts()
    return np.where((annotated == 0) & (found == 0), 1.0, np.minimum(*sides))
