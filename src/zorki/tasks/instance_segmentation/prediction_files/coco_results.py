"""Masks in words: run lengths in plain JSON, and files of results as COCO's tools read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zorki.metrics.mask_tables import run_lengths
from zorki.tasks.detection.prediction_files.coco_results import to_results
from zorki.types import Boxes, Instances
from zorki.types.arrays import array_of

MARKS = ("identities", "crowd", "difficult")


def columns_of(instances: Instances) -> dict[str, list[Any]]:
    """What there is to say of each object, in plain JSON, but for its class: box, score, mask, pixels and marks."""
    columns: dict[str, list[Any]] = {"xyxy": instances.xyxy.tolist()}
    if instances.scores is not None:
        columns["score"] = instances.scores.tolist()
    columns["area"] = array_of(instances.masks).sum((1, 2)).tolist()
    columns |= {name: column.tolist() for name in MARKS if (column := getattr(instances, name)) is not None}
    columns["segmentation"] = _codes(instances)
    return columns


def results_of(
    instances: Instances,
    file_name: str,
    class_names: Sequence[str],
    category_ids: Sequence[int] | None = None,
    *,
    frame: int | None = None,
) -> list[dict[str, Any]]:
    """The entries of one image, as `to_results` gives them for boxes, each with its mask as run lengths."""
    boxes = Boxes(instances.xyxy, instances.labels, instances.scores)
    entries = to_results(boxes, file_name, class_names, category_ids, frame=frame)
    return [
        entry | {"segmentation": segmentation} for entry, segmentation in zip(entries, _codes(instances), strict=True)
    ]


def _codes(instances: Instances) -> list[dict[str, Any]]:
    return [{"size": code["size"], "counts": code["counts"].decode()} for code in run_lengths(instances.masks)]
