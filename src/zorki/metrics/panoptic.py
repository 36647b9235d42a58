"""Figures of benchmarks that want one map an image: Data Science Bowl, leaves of plants, panoptic segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from zorki.metrics.label_maps import LabelMaps

BOWL_OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))


def bowl_precision(laid: LabelMaps, overlaps: Sequence[float] = BOWL_OVERLAPS) -> Float64[ndarray, "overlaps images"]:
    """Right / (right + wrong + missed) in each image, as the Data Science Bowl of 2018 counts it.

    An answer is right that overlaps an object of its class by more than the threshold. An image with neither object
    nor answer has 1; the Bowl had none.
    """
    truth, found = laid.counts()
    rows = []
    for least in overlaps:
        hit = laid.matched(least).truth >= 0
        right = np.bincount(laid.detections.image[hit], minlength=laid.num_images)
        every = truth + found - right
        rows.append(np.where(every > 0, right / np.maximum(every, 1), 1.0))
    return np.stack(rows)


def symmetric_best_dice(laid: LabelMaps) -> Float64[ndarray, " images"]:
    """SBD of each image (Scharr et al., 2016, equations 2 and 3), whatever the classes.

    Best Dice is the mean over one side's objects of the largest Dice that each has with an object of the other; SBD is
    the smaller one of both directions. 1 where neither side has an object, 0 where one has none.
    """
    pairs = laid.pairs
    dice = 2 * laid.shared / (laid.found_pixels[pairs.detection] + laid.truth_pixels[pairs.truth])
    sides = []
    for row, image in ((pairs.truth, laid.truths.image), (pairs.detection, laid.detections.image)):
        best = np.zeros(len(image))
        np.maximum.at(best, row, dice)
        count = np.bincount(image, minlength=laid.num_images)
        sides.append(np.bincount(image, best, laid.num_images) / np.maximum(count, 1))
    truth, found = laid.counts()
    return np.where((truth == 0) & (found == 0), 1.0, np.minimum(*sides))


@dataclass(frozen=True)
class Panoptic:
    """What panoptic quality is made of, a class each: sums over the whole set."""

    iou: Float64[ndarray, " K"]  # of the right answers, summed
    right: Int64[ndarray, " K"]
    wrong: Int64[ndarray, " K"]
    missed: Int64[ndarray, " K"]

    def of_class(self, label: int) -> dict[str, float | None]:
        """PQ = SQ * RQ (Kirillov et al., 2019, equations 1 and 2); None for a class that nobody has or answers.

        SQ is the mean overlap of the right answers, 0 where there are none; RQ is the F1 of finding objects.
        """
        right = int(self.right[label])
        weight = right + (int(self.wrong[label]) + int(self.missed[label])) / 2
        if not weight:
            return {"pq": None, "sq": None, "rq": None}
        iou = float(self.iou[label])
        return {"pq": iou / weight, "sq": iou / right if right else 0.0, "rq": right / weight}

    def means(self) -> dict[str, float | None]:
        """The means over the classes that have or are answered an object; None where there is no such class."""
        known = [row for label in range(len(self.right)) if (row := self.of_class(label))["pq"] is not None]
        return {name: _mean([row[name] for row in known]) for name in ("pq", "sq", "rq")}


def panoptic(laid: LabelMaps, num_classes: int) -> Panoptic:
    """Counts for panoptic quality: an answer is right that overlaps an object of its class by more than .5."""
    truth = laid.matched(0.5).truth
    hit = truth >= 0
    # The overlap of each answer with the object that it found, among the pairs, which are sorted by both.
    width = max(1, len(laid.truths))
    keys = laid.pairs.detection * width + laid.pairs.truth
    iou = laid.pairs.iou[np.searchsorted(keys, np.flatnonzero(hit) * width + truth[hit])]
    label = laid.detections.label
    right = np.bincount(label[hit], minlength=num_classes)
    return Panoptic(
        np.bincount(label[hit], iou, num_classes).astype(np.float64),  # of whole numbers where nothing is right
        right,
        np.bincount(label[~hit], minlength=num_classes),
        np.bincount(laid.truths.label, minlength=num_classes) - right,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
