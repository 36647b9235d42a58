"""How joints are evaluated."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zorki.contracts import Evaluation, Results, Section
from zorki.types import ClassInfo, Keypoints

if TYPE_CHECKING:
    from zorki.tasks.pose.metric import PoseMetric, PoseResult


class PoseEvaluation(Evaluation[Keypoints, Keypoints]):
    """COCO's average precision by object keypoint similarity, and errors in shares of lengths of the object."""

    file_format = "COCO's results"
    headline = ("oks_ap", "nme_box_side", "pck20_box_longer_side")

    def metric(self, info: ClassInfo) -> PoseMetric:
        from zorki.tasks.pose.metric import PoseMetric

        return PoseMetric(info)

    def ensemble(self, predictions: Sequence[Keypoints]) -> Keypoints:
        """The mean of the joints, by how sure each network is of each; all are about the same boxes."""
        import torch

        first = predictions[0]
        points = torch.stack([one.points for one in predictions])
        if any(one.joint_scores is None for one in predictions):
            return dataclasses.replace(first, points=points.mean(0))
        sure = torch.stack([one.joint_scores for one in predictions if one.joint_scores is not None])
        weights = sure[..., None].clamp_min(1e-6)
        scores = [one.scores for one in predictions if one.scores is not None]
        return dataclasses.replace(
            first,
            points=(points * weights).sum(0) / weights.sum(0),
            joint_scores=sure.mean(0),
            scores=torch.stack(scores).mean(0) if scores else None,
        )

    def error_score(self, prediction: Keypoints, target: Keypoints, info: ClassInfo) -> float:
        """1 less the mean object keypoint similarity of the annotated objects; of one that nobody found it is 0."""
        from zorki.metrics.oks import object_keypoint_similarity
        from zorki.tasks.pose.matching import match_objects
        from zorki.tasks.pose.metric import ground_truth_table

        if not len(target) or info.skeleton is None:
            return 0.0
        rows, table = match_objects(prediction, target), ground_truth_table(target, 0)
        found = (rows >= 0).numpy()
        points = np.full_like(table.points, np.inf)
        points[found] = prediction.points.double().numpy()[rows.numpy()[found]]
        similar = object_keypoint_similarity(points, table.points, table.visibility, table.area, info.skeleton.sigmas)
        labeled = similar[np.isfinite(similar)]
        return 1.0 - float(labeled.mean()) if len(labeled) else 0.0

    def report_sections(self, result: PoseResult, info: ClassInfo) -> list[Section]:
        """Average precision, errors, and a table of joints."""
        from zorki.tasks.pose.report import sections

        return sections(result)

    def recognize_predictions(self, predictions: Path, data: Path, format: str | None = None) -> str | None:
        from zorki.tasks.detection.prediction_files.kind import holds_joints

        return "joints" if holds_joints(predictions, data, format) else None

    def evaluate_predictions(
        self, predictions: Path, data: Path, *, split: str | None = None, format: str | None = None
    ) -> Results:
        """Joints in COCO's results format. Raises DataError."""
        from zorki.tasks.pose.prediction_files import evaluate_predictions

        return evaluate_predictions(predictions, data, split=split, format=format)
