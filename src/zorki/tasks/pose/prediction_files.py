"""Evaluation of joints from a file: no model, and no images where the data tell their sizes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zorki.contracts import Dataset, Results
from zorki.errors import DataError
from zorki.metrics.tables import rows_by_class
from zorki.tasks.detection.prediction_files.coco_results import ResultEntries, read_results
from zorki.tasks.detection.prediction_files.evaluate import fit
from zorki.tasks.detection.prediction_files.ground_truth import from_dataset
from zorki.tasks.pose.metric import PoseMetric, boxes_of
from zorki.types import Boxes, Keypoints


def evaluate_predictions(
    predictions: Path, data: Path, *, split: str | None = None, format: str | None = None
) -> Results:
    """Metrics of a file of joints against one split of `data`, or all of it: `split`, else that of its images.

    Images and classes are known as for boxes, see `zorki.tasks.detection.prediction_files.evaluate`. Entries have
    `keypoints`, x, y and a third number for each joint in the order of the data, which is taken for its score.

    Raises:
        DataError: the file is no list of joints, an entry is broken or has another number of joints, or none of the
            entries fits the data.
    """
    found = read_results(predictions, need_joints=True)
    dataset = _dataset(data, format)
    info = dataset.class_info()
    assert info.skeleton is not None
    joints = _joints(found, len(info.skeleton), data)
    annotated, indices = from_dataset(data, dataset, lambda index: _boxes(dataset.target(index)), found, split)
    table, rows, defects = fit(found, annotated, data)
    metric = PoseMetric(info)
    for index, own in zip(indices, rows_by_class(table.image, len(indices)), strict=True):
        xyxy = np.concatenate([table.xywh[own, :2], table.xywh[own, :2] + table.xywh[own, 2:]], 1)
        labels, scores = table.label[own], table.score[own]
        metric.update([_prediction(joints[rows[own]], xyxy, labels, scores)], [dataset.target(index)])
    return Results(
        split=annotated.split, count=len(indices), metrics=metric.compute(), losses={}, defects=list(defects)
    )


def _dataset(data: Path, format: str | None) -> Dataset[Keypoints]:
    from zorki.data.formats.readers import read_keypoints
    from zorki.data.scenes.keypoints import parse

    scenes = parse(str(data)) if format in (None, "scenes") else None
    return scenes if scenes is not None else read_keypoints(data, format, need_images=False)


def _boxes(target: Keypoints) -> Boxes:
    xyxy = torch.from_numpy(boxes_of(target)).float()
    labels = torch.zeros(len(target), dtype=torch.int64) if target.labels is None else target.labels
    return Boxes(xyxy, labels, crowd=target.crowd, areas=target.areas)


def _joints(found: ResultEntries, count: int, data: Path) -> Any:
    """(entries, P, 3). Raises DataError where an entry has not as many joints as the data."""
    lists: Sequence[list[float]] = [entry["keypoints"] for entry in found.entries]
    for number, values in enumerate(lists, 1):
        if len(values) != 3 * count:
            raise DataError(
                f"{found.path}: entry {number} has {len(values) // 3} joints, and the objects of {data} have {count}"
            )
    return np.array(lists, np.float64).reshape(len(lists), count, 3)


def _prediction(joints: Any, xyxy: Any, labels: Any, scores: Any) -> Keypoints:
    values = torch.from_numpy(joints)
    return Keypoints(
        values[..., :2],
        torch.full(values.shape[:2], 2),
        xyxy=torch.from_numpy(xyxy),
        labels=torch.from_numpy(labels),
        scores=torch.from_numpy(scores),
        joint_scores=values[..., 2],
    )
