"""Evaluation of detections from a file: no model, and no images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from zorki.contracts import Results
from zorki.data.annotations.outlines import outline_fault
from zorki.errors import DataError
from zorki.input_files.numbers import integer_in
from zorki.metrics.coco_ap import Segmentations, coco_curves
from zorki.metrics.error_types import BACKGROUND_IOU
from zorki.metrics.matching import Pairs
from zorki.metrics.tables import DetectionTable, GroundTruthTable, join
from zorki.tasks.detection.metrics.scores import detection_result
from zorki.tasks.detection.prediction_files.coco_results import ResultEntries, read_results
from zorki.tasks.detection.prediction_files.ground_truth import GroundTruth, read_ground_truth
from zorki.tasks.detection.prediction_files.image_names import ELSEWHERE, UNKNOWN
from zorki.tasks.detection.prediction_files.split_choice import ALL
from zorki.types import Defect


def evaluate_predictions(
    predictions: Path, data: Path, *, split: str | None = None, format: str | None = None
) -> Results:
    """Metrics of a file of detections against one split of `data`, or all of it: `split`, else that of its images.

    An image is known by `file_name`, else by `image_id`: COCO's number, or the file's name or stem. A class is known
    by `category_name`, else by `category_id`. Detections of unknown images or classes are reported and left out.
    A file with masks and without boxes is evaluated by masks.

    Raises:
        DataError: the file is no list of detections, an entry is broken, none of the entries fits the data, or they
            could be of several splits.
    """
    found = read_results(predictions)
    annotated = read_ground_truth(data, found, split=split, format=format)
    detections, rows, defects = fit(found, annotated, data)
    count, num_classes = len(annotated.names), len(annotated.class_names)
    if found.masks is None:
        result = detection_result(annotated.ground_truths, detections, annotated.class_names, count)
    else:
        masks = segmentations_of(found, annotated, detections, rows, data)
        curves = coco_curves(
            annotated.ground_truths, detections, num_images=count, num_classes=num_classes, segmentations=masks
        )
        pairs = overlapping_masks(annotated.ground_truths, detections, masks)
        result = detection_result(
            annotated.ground_truths, detections, annotated.class_names, count, curves=curves, pairs=pairs
        )
    return Results(split=annotated.split, count=count, metrics=result, losses={}, defects=defects)


def fit(found: ResultEntries, annotated: GroundTruth, data: Path) -> tuple[DetectionTable, ndarray, list[Defect]]:
    """The entries that are of an image and a class of the data, their rows, and what there is to tell.

    Raises:
        DataError: none of the entries fits the data.
    """
    defects = list(annotated.defects)
    images, labels = _images(found, annotated, defects), _labels(found, annotated, defects)
    fits = (images >= 0) & (labels >= 0)
    if len(fits) and not fits.any():
        part = "" if annotated.split == ALL else f" (split {annotated.split})"
        raise DataError(
            f"{found.path}: none of the {len(fits)} detections is of an image and a class in {data}{part}: "
            f"{'; '.join(defect.reason for defect in defects[len(annotated.defects) :])}"
        )
    detections = DetectionTable(images[fits], found.xywh[fits], labels[fits], found.score[fits])
    return detections, np.flatnonzero(fits), defects


def _images(found: ResultEntries, annotated: GroundTruth, defects: list[Defect]) -> ndarray:
    """The place of each detection's image, or UNKNOWN, or ELSEWHERE for an image of another split."""
    words = annotated.image_names()
    seen: dict[tuple[Any, Any], int] = {}
    places = np.empty(len(found.entries), np.int64)
    for row, entry in enumerate(found.entries):
        key = found.image_words(entry)
        if key not in seen:
            seen[key] = words.find(*key)
        places[row] = seen[key]
    _report(found, places == UNKNOWN, "image_id", "images that the data do not have, or have twice", defects)
    elsewhere = int((places == ELSEWHERE).sum())
    if elsewhere:
        defects.append(Defect(found.path, f"{elsewhere} detections are of images of other splits; left out"))
    return places


def _labels(found: ResultEntries, annotated: GroundTruth, defects: list[Defect]) -> ndarray:
    by_name = {name: label for label, name in enumerate(annotated.class_names)}
    by_number: dict[Any, int] = {number: label for label, number in enumerate(annotated.category_ids)}
    labels = np.empty(len(found.entries), np.int64)
    for row, entry in enumerate(found.entries):
        number = entry.get("category_id")
        name = entry.get("category_name", found.categories.get(number))
        labels[row] = by_number.get(integer_in(number), UNKNOWN) if name is None else by_name.get(name, UNKNOWN)
    key = "category_name" if any("category_name" in entry for entry in found.entries[:1]) else "category_id"
    _report(found, labels == UNKNOWN, key, f"classes that are not among {_some(annotated.class_names)}", defects)
    return labels


def _report(found: ResultEntries, which: ndarray, key: str, what: str, defects: list[Defect]) -> None:
    rows = np.flatnonzero(which).tolist()
    if rows:
        counts = Counter(str(found.entries[row].get(key)) for row in rows)
        common = ", ".join(f"{value} ({number})" for value, number in counts.most_common(5))
        more = ", ..." if len(counts) > 5 else ""
        reason = f"{len(rows)} detections are of {what}, by {key}: {common}{more}; left out"
        defects.append(Defect(found.path, reason))


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")


def segmentations_of(
    found: ResultEntries, annotated: GroundTruth, detections: DetectionTable, rows: ndarray, data: Path
) -> Segmentations:
    """The masks of the data, and of the entries that `fit` them.

    Raises:
        DataError: the data have no masks for all of their objects, or one is broken; or a mask of an entry is not of
            the size of its image.
    """
    if annotated.mask_fault is not None:
        raise DataError(f"{found.path}: holds masks, and {data} cannot evaluate masks: {annotated.mask_fault}")
    if annotated.masks is None or annotated.sizes is None:
        raise DataError(
            f"{found.path}: holds masks, and {data} has no outlines for all of its objects to compare with; name an "
            "annotation file of COCO with a segmentation for each object, or give each entry a bbox, by which --task "
            "detection evaluates them"
        )
    assert found.masks is not None
    owners = [annotated.sizes[image] for image in annotated.ground_truths.image.tolist()]
    check_outlines(data, "object", range(len(owners)), annotated.masks, owners)
    masks = Segmentations(annotated.masks, [found.masks[row] for row in rows.tolist()], annotated.sizes)
    for row, image, mask in zip(rows.tolist(), detections.image.tolist(), masks.detections, strict=True):
        height, width = annotated.sizes[image]
        if isinstance(mask, dict) and list(mask["size"]) != [height, width]:
            raise DataError(
                f"{found.path}: entry {row + 1}: its mask is of an image of {mask['size'][1]} x {mask['size'][0]}, "
                f"and {annotated.names[image]} is {width} x {height}; write masks of the size of their images"
            )
    sizes = [annotated.sizes[image] for image in detections.image.tolist()]
    check_outlines(found.path, "entry", rows.tolist(), masks.detections, sizes)
    return masks


def check_outlines(
    path: Path, thing: str, numbers: Iterable[int], outlines: Sequence[Any], sizes: Sequence[tuple[int, int]]
) -> None:
    """Raises DataError where an outline cannot be filled, or its image is said to be larger than any.

    Args:
        thing, numbers: what an outline is of, for messages; numbers count from 0.
        outlines: polygons, or run lengths; packed ones, which are bytes, were evaluated before.
    """
    for number, outline, size in zip(numbers, outlines, sizes, strict=True):
        packed = isinstance(outline, dict) and isinstance(outline.get("counts"), bytes)
        if not packed and (fault := outline_fault(outline, *size)) is not None:
            raise DataError(f"{path}: {thing} {number + 1}: {fault}")


def encoded(outline: Any, height: int, width: int) -> Any:
    """An outline of COCO's, polygons or run lengths, as packed run lengths."""
    from hotcoco import mask

    if isinstance(outline, dict) and not isinstance(outline["counts"], list):
        return outline
    run_lengths = mask.frPyObjects(outline, height, width)
    return mask.merge(run_lengths) if isinstance(run_lengths, list) else run_lengths


def overlapping_masks(ground_truths: GroundTruthTable, detections: DetectionTable, masks: Segmentations) -> Pairs:
    """As `overlapping_pairs`, for masks: pairs of one image with an IoU of at least `BACKGROUND_IOU`."""
    from hotcoco import mask

    parts = [Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for image in np.unique(detections.image).tolist():
        mine, theirs = np.flatnonzero(detections.image == image), np.flatnonzero(ground_truths.image == image)
        if not len(theirs):
            continue
        size = masks.sizes[image]
        encoded_detections = [encoded(masks.detections[row], *size) for row in mine.tolist()]
        objects = [encoded(masks.ground_truths[row], *size) for row in theirs.tolist()]
        iou = mask.iou(encoded_detections, objects, ground_truths.crowd[theirs].astype(np.uint8))
        which, whom = np.nonzero(iou >= BACKGROUND_IOU)
        parts.append(Pairs(mine[which], theirs[whom], iou[which, whom]))
    return join(parts)
