"""Masks of many images as the tables that metrics are counted from."""

from __future__ import annotations

from collections.abc import Sequence

from numpy import ndarray

from zorki.metrics.coco_ap import Segmentations
from zorki.metrics.mask_tables import MaskTables, fill_tables, run_lengths
from zorki.ops.mask_pixels import MaskPixels
from zorki.tasks.detection.metrics.tables import detections_of, ground_truths_of
from zorki.types import Boxes, Instances


def tabulate(predictions: Sequence[Instances], targets: Sequence[Instances]) -> MaskTables:
    """The tables of some images.

    Raises:
        ValueError: a prediction has no scores, or masks of another size than its ground truth.
    """
    found = [MaskPixels.of(prediction.masks) for prediction in predictions]
    annotated = [MaskPixels.of(target.masks) for target in targets]
    boxes = [as_boxes(target, mine.areas()) for target, mine in zip(targets, annotated, strict=True)]
    segmentations = Segmentations(
        [code for target in targets for code in run_lengths(target.masks)],
        [code for prediction in predictions for code in run_lengths(prediction.masks)],
        [(mine.height, mine.width) for mine in annotated],
    )
    detections = detections_of([as_boxes(prediction) for prediction in predictions])
    return fill_tables(
        ground_truths_of(boxes), detections, segmentations, lambda image: (found[image], annotated[image])
    )


def as_boxes(instances: Instances, areas: ndarray | None = None) -> Boxes:
    """The same objects without their masks; `areas` are pixels of the masks, for where the data give no areas."""
    import torch

    given = instances.areas
    if given is None and areas is not None:
        given = torch.from_numpy(areas).to(torch.float32)
    return Boxes(
        instances.xyxy,
        instances.labels,
        instances.scores,
        identities=instances.identities,
        crowd=instances.crowd,
        difficult=instances.difficult,
        areas=given,
    )
