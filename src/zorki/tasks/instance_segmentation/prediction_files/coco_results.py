"""Masks in words: run lengths in plain JSON, and files of results as COCO's tools read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zorki.metrics.mask_tables import run_lengths
from zorki.tasks.detection.prediction_files.coco_results import to_results
from zorki.types import Boxes, Instances

MARKS = ("identities", "crowd", "difficult")


def columns_of(instances: Instances) -> dict[str, list[Any]]:
    """What there is to say of each object, in plain JSON, but for its class: box, score, mask, pixels and marks."""
    codes = run_lengths(instances.masks)
    columns: dict[str, list[Any]] = {"xyxy": instances.xyxy.tolist()}
    if instances.scores is not None:
        columns["score"] = instances.scores.tolist()
    columns["area"] = instances.masks.flatten(1).sum(1).tolist()
    columns |= {name: column.tolist() for name in MARKS if (column := getattr(instances, name)) is not None}
    columns["segmentation"] = [{"size": code["size"], "counts": code["counts"].decode()} for code in codes]
    return columns


def results_of(answer: Any, class_names: Sequence[str], category_ids: Sequence[int]) -> list[dict[str, Any]]:
    """The entries of one image, as `to_results` gives them for boxes, each with its mask as run lengths.

    Args:
        answer: with `source`, `frame`, and in `facts` what `InstancePresentation.to_record` made of the prediction.
    """
    rows = answer.facts["objects"]
    boxes = Boxes.from_json({
        "xyxy": [row["xyxy"] for row in rows],
        "labels": [row["label"] for row in rows],
        "scores": [row["score"] for row in rows],
    })  # fmt: skip
    entries = to_results(boxes, answer.source, class_names, category_ids, frame=answer.frame)
    return [entry | {"segmentation": row["segmentation"]} for entry, row in zip(entries, rows, strict=True)]
