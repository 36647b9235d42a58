"""Evaluation of masks from a file: no model, and no images where the data tell their sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray

from zorki.contracts import Results
from zorki.metrics.coco_ap import Segmentations
from zorki.metrics.mask_tables import fill_tables, run_lengths
from zorki.metrics.tables import DetectionTable, GroundTruthTable, rows_by_class
from zorki.ops.mask_pixels import MaskPixels
from zorki.tasks.detection.prediction_files.coco_results import ResultEntries, read_results
from zorki.tasks.detection.prediction_files.evaluate import check_outlines, encoded, fit, segmentations_of
from zorki.tasks.detection.prediction_files.ground_truth import GroundTruth, from_dataset, read_coco
from zorki.tasks.instance_segmentation.data import InstanceData
from zorki.tasks.instance_segmentation.metrics.scores import instance_result
from zorki.tasks.instance_segmentation.metrics.tables import as_boxes


def evaluate_predictions(
    predictions: Path, data: Path, *, split: str | None = None, format: str | None = None
) -> Results:
    """Metrics of a file of masks against one split of `data`, or all of it: `split`, else that of its images.

    Images and classes are known as for boxes, see `zorki.tasks.detection.prediction_files.evaluate`. Entries have a
    `segmentation`, run lengths or polygons; the box of each is its `bbox`, or the one around its mask.

    Raises:
        DataError: the file is no list of masks, an entry is broken, none of the entries fits the data, or the data
            have no masks for all of their objects.
    """
    found = read_results(predictions, need_masks=True)
    annotated = read_ground_truth_masks(data, found, split=split, format=format)
    detections, rows, defects = fit(found, annotated, data)
    masks = segmentations_of(found, annotated, detections, rows, data)
    codes = [
        encoded(mask, *masks.sizes[image])
        for mask, image in zip(masks.detections, detections.image.tolist(), strict=True)
    ]
    masks = dataclasses.replace(masks, detections=codes)
    detections = dataclasses.replace(detections, xywh=_boxes(found, rows, codes))
    tables = fill_tables(
        annotated.ground_truths, detections, masks, _pixels_of(annotated.ground_truths, detections, masks)
    )
    result = instance_result(tables, annotated.class_names)
    return Results(split=annotated.split, count=len(annotated.names), metrics=result, losses={}, defects=defects)


def read_ground_truth_masks(
    data: Path, found: ResultEntries, *, split: str | None = None, format: str | None = None
) -> GroundTruth:
    """What is known of `data`, with all masks as packed run lengths: files of COCO as they stand, or any dataset.

    Raises:
        DataError: the data cannot be read, there is no such split, or several could be meant.
    """
    if (annotated := read_coco(data, found, split=split, format=format)) is not None:
        if annotated.masks is None or annotated.sizes is None or annotated.mask_fault is not None:
            return annotated
        sizes = [annotated.sizes[image] for image in annotated.ground_truths.image.tolist()]
        check_outlines(data, "object", range(len(sizes)), annotated.masks, sizes)
        codes = [encoded(outline, *size) for outline, size in zip(annotated.masks, sizes, strict=True)]
        return dataclasses.replace(annotated, masks=codes)
    dataset = InstanceData().read(data, format=format)
    masks: list[Any] = []
    sides: list[tuple[int, int]] = []

    def boxes(index: int) -> Any:
        target = dataset.target(index)
        masks.extend(run_lengths(target.masks))
        sides.append((target.masks.shape[1], target.masks.shape[2]))
        return as_boxes(target, MaskPixels.of(target.masks).areas())

    annotated, _ = from_dataset(data, dataset, boxes, found, split)
    return dataclasses.replace(annotated, masks=masks, sizes=sides)


def _boxes(found: ResultEntries, rows: ndarray, codes: Sequence[Any]) -> ndarray:
    """The boxes (xywh) that the entries give, else those around their masks."""
    from hotcoco import mask

    given = [found.entries[row].get("bbox") for row in rows.tolist()]
    return np.array(
        [mask.toBbox(code) if box is None else box for box, code in zip(given, codes, strict=True)], np.float64
    ).reshape(-1, 4)


def _pixels_of(
    ground_truths: GroundTruthTable, detections: DetectionTable, masks: Segmentations
) -> Callable[[int], tuple[MaskPixels, MaskPixels]]:
    """The pixels of an image's detections and objects, by the image's place."""
    count = len(masks.sizes)
    sides = [
        (rows_by_class(table.image, count), codes)
        for table, codes in ((detections, masks.detections), (ground_truths, masks.ground_truths))
    ]

    def pixels(image: int) -> tuple[MaskPixels, MaskPixels]:
        found, annotated = (
            _decoded([codes[row] for row in rows[image].tolist()], masks.sizes[image]) for rows, codes in sides
        )
        return found, annotated

    return pixels


def _decoded(codes: Sequence[Any], size: tuple[int, int]) -> MaskPixels:
    from hotcoco import mask

    if not codes:
        return MaskPixels.of(torch.zeros((0, *size), dtype=torch.bool))
    return MaskPixels.of(torch.from_numpy(mask.decode(list(codes)).transpose(2, 0, 1).astype(bool)))
