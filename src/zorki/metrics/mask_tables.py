"""Objects of many images in columns, their masks as run lengths, and which of them share how many pixels.

What all scores of masks are counted from: masks as maps of pixels are let go image by image.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64
from numpy import ndarray
from torch import Tensor

from zorki.metrics.coco_ap import Segmentations
from zorki.metrics.matching import Pairs
from zorki.metrics.tables import DetectionTable, GroundTruthTable, Table, rows_by_class
from zorki.metrics.tables import join as join_columns
from zorki.ops.mask_pixels import MaskPixels


@dataclass(frozen=True)
class Shared(Table):
    """Answers and objects of one image that have pixels in common: rows of both tables, and how many pixels."""

    detection: Int64[ndarray, " S"]
    truth: Int64[ndarray, " S"]
    pixels: Int64[ndarray, " S"]

    def __len__(self) -> int:
        return len(self.pixels)

    def after(self, detections: int, truths: int) -> Shared:
        """The same rows where so many stand before them."""
        return Shared(self.detection + detections, self.truth + truths, self.pixels)


@dataclass(frozen=True)
class MaskTables:
    """Objects and answers of the images 0, 1, ..., of which `outlines` tells the sizes and all masks.

    Args:
        truth_pixels, found_pixels: of each mask.
        shared: by detection, then by truth.
        laid_pixels, laid: the same for the answers of an image laid into one map, the best on top, see
            `MaskPixels.laid_out`; those that are left out there have no pixels.
    """

    truths: GroundTruthTable
    detections: DetectionTable
    outlines: Segmentations
    truth_pixels: Int64[ndarray, " M"]
    found_pixels: Int64[ndarray, " D"]
    shared: Shared
    laid_pixels: Int64[ndarray, " D"]
    laid: Shared

    @property
    def num_images(self) -> int:
        return len(self.outlines.sizes)

    def pairs(self, min_iou: float) -> Pairs:
        """Answers and objects whose masks overlap by `min_iou` or more, of one class or two."""
        shared = self.shared
        found, truth = self.found_pixels[shared.detection], self.truth_pixels[shared.truth]
        union = found + truth - shared.pixels
        # A crowd is no outline of one object: the share of the answer that lies in it counts, as in COCO.
        iou = shared.pixels / np.where(self.truths.crowd[shared.truth], found, union)
        near = iou >= min_iou
        return Pairs(shared.detection[near], shared.truth[near], iou[near])


def fill_tables(
    truths: GroundTruthTable,
    detections: DetectionTable,
    outlines: Segmentations,
    pixels_of: Callable[[int], tuple[MaskPixels, MaskPixels]],
) -> MaskTables:
    """The tables with what masks share.

    Args:
        pixels_of: the masks of an image's answers and of its objects, in the order of their rows; asked once each.

    Raises:
        ValueError: masks of one image differ in size.
    """
    truth_pixels, found_pixels = np.zeros(len(truths), np.int64), np.zeros(len(detections), np.int64)
    laid_pixels = np.zeros(len(detections), np.int64)
    empty = np.empty(0, np.int64)
    shared, laid = [Shared(empty, empty, empty)], [Shared(empty, empty, empty)]
    count = len(outlines.sizes)
    rows = zip(rows_by_class(detections.image, count), rows_by_class(truths.image, count), strict=True)
    for image, (mine, theirs) in enumerate(rows):
        found, truth = pixels_of(image)
        order = np.argsort(-detections.score[mine], kind="stable")
        flat = found.laid_out(order.tolist())
        truth_pixels[theirs], found_pixels[mine], laid_pixels[mine] = truth.areas(), found.areas(), flat.areas()
        for pixels, parts in ((found, shared), (flat, laid)):
            first, second, number = pixels.shared_with(truth)
            parts.append(Shared(mine[first], theirs[second], number))
    return MaskTables(
        truths,
        detections,
        outlines,
        truth_pixels,
        found_pixels,
        _in_order(shared),
        laid_pixels,
        _in_order(laid),
    )


def _in_order(parts: Sequence[Shared]) -> Shared:
    every = join_columns(parts)
    return every.where(np.lexsort((every.truth, every.detection)))


def join(parts: Sequence[MaskTables]) -> MaskTables:
    """Tables of several parts, at least one, as one; images are numbered on."""
    if len(parts) == 1:
        return parts[0]
    truths, detections, moved = [], [], []
    images = objects = answers = 0
    for part in parts:
        truths.append(dataclasses.replace(part.truths, image=part.truths.image + images))
        detections.append(dataclasses.replace(part.detections, image=part.detections.image + images))
        moved.append([one.after(answers, objects) for one in (part.shared, part.laid)])
        images, objects, answers = images + part.num_images, objects + len(part.truths), answers + len(part.detections)
    shared, laid = (join_columns(every) for every in zip(*moved, strict=True))
    return MaskTables(
        join_columns(truths),
        join_columns(detections),
        Segmentations(
            *([one for part in parts for one in getattr(part.outlines, f.name)] for f in fields(Segmentations))
        ),
        np.concatenate([part.truth_pixels for part in parts]),
        np.concatenate([part.found_pixels for part in parts]),
        shared,
        np.concatenate([part.laid_pixels for part in parts]),
        laid,
    )


def run_lengths(masks: Bool[Tensor, "N H W"]) -> list[dict[str, Any]]:
    """Masks (N, H, W) as COCO's run lengths, {"size": [H, W], "counts": packed bytes} each."""
    from hotcoco import mask

    return [dict(mask.encode(one.view(np.uint8))) for one in masks.detach().cpu().contiguous().numpy()]
