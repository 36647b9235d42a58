"""Masks of many images in columns: run lengths, areas, and which masks share how many pixels.

What all scores of masks are counted from; masks as arrays of pixels are let go image by image.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from zorki.metrics.coco_ap import Segmentations
from zorki.metrics.matching import Pairs
from zorki.metrics.tables import DetectionTable, GroundTruthTable, Table, rows_by_class
from zorki.metrics.tables import join as join_tables
from zorki.ops.mask_pixels import MaskPixels

if TYPE_CHECKING:
    from jaxtyping import Bool, Int64
    from torch import Tensor


@dataclass(frozen=True)
class SharedPixels(Table):
    """Detections and objects of one image that have pixels in common: rows of both tables, and how many pixels."""

    detection: Int64[ndarray, " S"]
    ground_truth: Int64[ndarray, " S"]
    pixels: Int64[ndarray, " S"]

    def __len__(self) -> int:
        return len(self.pixels)

    def after(self, detections: int, ground_truths: int) -> SharedPixels:
        """The same rows where so many stand before them."""
        return SharedPixels(self.detection + detections, self.ground_truth + ground_truths, self.pixels)


@dataclass(frozen=True)
class MaskTables:
    """Objects and detections of the images 0, 1, ..., of which `segmentations` has the sizes and all masks.

    Args:
        ground_truth_area, detection_area: pixels of each mask.
        shared: by detection, then by object.
        visible_area, visible: the same for the detections of an image laid into one label map, the best on top, see
            `MaskPixels.laid_out`; those that are left out there have no pixels.
    """

    ground_truths: GroundTruthTable
    detections: DetectionTable
    segmentations: Segmentations
    ground_truth_area: Int64[ndarray, " M"]
    detection_area: Int64[ndarray, " D"]
    shared: SharedPixels
    visible_area: Int64[ndarray, " D"]
    visible: SharedPixels

    @property
    def num_images(self) -> int:
        return len(self.segmentations.sizes)

    def pairs(self, min_iou: float) -> Pairs:
        """Detections and objects whose masks have an IoU of `min_iou` or more, of one class or two."""
        shared = self.shared
        found, annotated = self.detection_area[shared.detection], self.ground_truth_area[shared.ground_truth]
        union = found + annotated - shared.pixels
        # A crowd is no outline of one object: the share of the detection that lies in it counts, as in COCO.
        iou = shared.pixels / np.where(self.ground_truths.crowd[shared.ground_truth], found, union)
        near = iou >= min_iou
        return Pairs(shared.detection[near], shared.ground_truth[near], iou[near])


def fill_tables(
    ground_truths: GroundTruthTable,
    detections: DetectionTable,
    segmentations: Segmentations,
    pixels_of: Callable[[int], tuple[MaskPixels, MaskPixels]],
) -> MaskTables:
    """The tables with what masks share.

    Args:
        pixels_of: the masks of an image's detections and of its objects, in the order of their rows; called once each.

    Raises:
        ValueError: masks of one image differ in size.
    """
    annotated_area, found_area = np.zeros(len(ground_truths), np.int64), np.zeros(len(detections), np.int64)
    visible_area = np.zeros(len(detections), np.int64)
    empty = np.empty(0, np.int64)
    shared, visible = [SharedPixels(empty, empty, empty)], [SharedPixels(empty, empty, empty)]
    count = len(segmentations.sizes)
    rows = zip(rows_by_class(detections.image, count), rows_by_class(ground_truths.image, count), strict=True)
    for image, (mine, theirs) in enumerate(rows):
        found, annotated = pixels_of(image)
        order = np.argsort(-detections.score[mine], kind="stable")
        flat = found.laid_out(order.tolist())
        annotated_area[theirs], found_area[mine], visible_area[mine] = annotated.areas(), found.areas(), flat.areas()
        for pixels, parts in ((found, shared), (flat, visible)):
            first, second, number = pixels.shared_with(annotated)
            parts.append(SharedPixels(mine[first], theirs[second], number))
    return MaskTables(
        ground_truths,
        detections,
        segmentations,
        annotated_area,
        found_area,
        _in_order(shared),
        visible_area,
        _in_order(visible),
    )


def _in_order(parts: Sequence[SharedPixels]) -> SharedPixels:
    every = join_tables(parts)
    return every.where(np.lexsort((every.ground_truth, every.detection)))


def join(parts: Sequence[MaskTables]) -> MaskTables:
    """Tables of several parts, at least one, as one; images are numbered on."""
    if len(parts) == 1:
        return parts[0]
    ground_truths: list[GroundTruthTable] = []
    detections: list[DetectionTable] = []
    moved = []
    images = 0
    for part in parts:
        before = sum(len(table) for table in detections), sum(len(table) for table in ground_truths)
        moved.append([one.after(*before) for one in (part.shared, part.visible)])
        ground_truths.append(dataclasses.replace(part.ground_truths, image=part.ground_truths.image + images))
        detections.append(dataclasses.replace(part.detections, image=part.detections.image + images))
        images += part.num_images
    shared, visible = (join_tables(every) for every in zip(*moved, strict=True))
    return MaskTables(
        join_tables(ground_truths),
        join_tables(detections),
        Segmentations(
            [mask for part in parts for mask in part.segmentations.ground_truths],
            [mask for part in parts for mask in part.segmentations.detections],
            [size for part in parts for size in part.segmentations.sizes],
        ),
        np.concatenate([part.ground_truth_area for part in parts]),
        np.concatenate([part.detection_area for part in parts]),
        shared,
        np.concatenate([part.visible_area for part in parts]),
        visible,
    )


def run_lengths(masks: Bool[Tensor, "N H W"]) -> list[dict[str, Any]]:
    """Masks as COCO's run lengths, {"size": [H, W], "counts": packed bytes} each."""
    from hotcoco import mask

    return [dict(mask.encode(one.view(np.uint8))) for one in masks.detach().cpu().contiguous().numpy()]
