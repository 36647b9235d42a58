"""Answers as one map an image, which has one object in a pixel at most: what benchmarks of cells and leaves judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from zorki.metrics.mask_tables import MaskTables
from zorki.metrics.matching import Matches, Pairs, match
from zorki.metrics.tables import DetectionTable, GroundTruthTable


@dataclass(frozen=True)
class LabelMaps:
    """The answers that count, laid into one map an image, and the objects that have to be found.

    Args:
        truth_pixels, found_pixels: of each object, and of each answer as far as it can be seen in the map.
        pairs: answers and objects that share a pixel, whatever their classes.
        shared: of each pair, the pixels.
    """

    num_images: int
    truths: GroundTruthTable
    detections: DetectionTable
    truth_pixels: Int64[ndarray, " M"]
    found_pixels: Int64[ndarray, " D"]
    pairs: Pairs
    shared: Int64[ndarray, " P"]

    def matched(self, least: float) -> Matches:
        """Which answer finds which object of its class by an overlap above `least`, which is .5 or more.

        Where no two objects share pixels, there is one such answer for an object at most, and one object for it.
        """
        return match(self.truths, self.detections, self.pairs.where(self.pairs.iou > least), least)

    def counts(self) -> tuple[Int64[ndarray, " images"], Int64[ndarray, " images"]]:
        """How many objects, and how many answers, each image has."""
        truth = np.bincount(self.truths.image, minlength=self.num_images)
        return truth, np.bincount(self.detections.image, minlength=self.num_images)


def label_maps(tables: MaskTables, matches: Matches, min_score: float) -> LabelMaps:
    """The answers with a score of `min_score` or more, as a map an image.

    Answers that count neither as right nor as wrong, on crowds and on difficult objects, are left out, and so are
    those that others hide.

    Args:
        matches: of the tables, at an overlap of .5.
    """
    kept = (tables.detections.score >= min_score) & ~matches.ignored & (tables.laid_pixels > 0)
    counted = tables.truths.counted
    found_row, truth_row = np.cumsum(kept) - 1, np.cumsum(counted) - 1
    laid = tables.laid.where(kept[tables.laid.detection] & counted[tables.laid.truth])
    found, truth = found_row[laid.detection], truth_row[laid.truth]
    found_pixels, truth_pixels = tables.laid_pixels[kept], tables.truth_pixels[counted]
    iou = laid.pixels / (found_pixels[found] + truth_pixels[truth] - laid.pixels)
    return LabelMaps(
        tables.num_images,
        tables.truths.where(counted),
        tables.detections.where(kept),
        truth_pixels,
        found_pixels,
        Pairs(found, truth, iou),
        laid.pixels,
    )
