"""Scores of poses: matched objects, what is missed, parts merged, and lengths by name."""

import dataclasses

import pytest
import torch

from zorki.data.annotations.keypoints.skeletons import COCO_NAMES, FACE_NAMES, skeleton_of
from zorki.tasks.pose.evaluation import PoseEvaluation
from zorki.tasks.pose.matching import match_objects
from zorki.tasks.pose.metric import PoseMetric
from zorki.types import ClassInfo, Keypoints

PERSON = ClassInfo(("person",), skeleton=skeleton_of(COCO_NAMES))


def people(count: int, seed: int = 0) -> Keypoints:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand((count, 1, 2), generator=generator) * 40 + torch.arange(count)[:, None, None] * 150
    points = corner + torch.rand((count, 17, 2), generator=generator) * 100
    xyxy = torch.cat([corner[:, 0], corner[:, 0] + 100], 1)
    return Keypoints(points, torch.full((count, 17), 2), xyxy=xyxy, labels=torch.zeros(count, dtype=torch.int64))


def predicted(target: Keypoints, off: float) -> Keypoints:
    return dataclasses.replace(target, points=target.points + off, scores=torch.ones(len(target)))


def test_a_perfect_prediction_scores_one_and_errors_are_none() -> None:
    metric = PoseMetric(PERSON)
    target = people(2)
    metric.update([predicted(target, 0.0)], [target])
    result = metric.compute()
    assert result.oks_ap == pytest.approx(1)
    assert (result.nme_box_side, result.pck20_box_longer_side, result.pcp50_strict, result.pdj20_torso) == (0, 1, 1, 1)
    assert result.nme_outer_eye_corners is None, "a body has no eye corners"
    assert result.pckh50_head_segment is None
    assert (result.count, result.objects, result.missed) == (1, 2, 0)
    assert "COCO's (0.025 to 0.107)" in str(result)


def test_errors_are_shares_of_the_box() -> None:
    metric = PoseMetric(PERSON)
    target = people(1)
    metric.update([predicted(target, 3.0)], [target])
    result = metric.compute()
    assert result.nme_box_side == pytest.approx(3 * 2**0.5 / 100, rel=1e-5)
    assert (result.pck05_box_longer_side, result.pck20_box_longer_side) == (1, 1)
    assert result.per_joint[0].pixels == pytest.approx(3 * 2**0.5, rel=1e-5)


def test_what_nobody_found_is_missed_and_counts_as_wrong() -> None:
    target, metric = people(2), PoseMetric(PERSON)
    near = predicted(target, 0.0)[:1]
    near = dataclasses.replace(near, xyxy=near.xyxy + 4)
    assert match_objects(near, target).tolist() == [0, -1]
    far = dataclasses.replace(near, xyxy=near.xyxy + 70)
    assert match_objects(far, target).tolist() == [-1, -1]
    metric.update([near], [target])
    result = metric.compute()
    assert (result.missed, result.pck20_box_longer_side, result.nme_box_side) == (1, 0.5, 0)


def test_parts_merged_are_the_whole_and_nothing_is_nothing() -> None:
    whole, first, second = (PoseMetric(PERSON) for _ in range(3))
    targets = [people(2, seed) for seed in range(4)]
    found = [predicted(target, float(place)) for place, target in enumerate(targets)]
    whole.update(found, targets)
    first.update(found[:2], targets[:2])
    second.update(found[2:], targets[2:])
    first.merge(second)
    assert first.compute() == whole.compute()
    empty = PoseMetric(PERSON)
    empty.update([people(0)], [people(0)])
    result = empty.compute()
    assert (result.count, result.objects, result.oks_ap, result.nme_box_side) == (1, 0, None, None)
    assert PoseEvaluation().report_sections(result, PERSON)[0].title == "Joints"


def test_faces_are_measured_by_their_outer_eye_corners() -> None:
    info = ClassInfo(("face",), skeleton=skeleton_of(FACE_NAMES))
    points = torch.zeros(1, 68, 2)
    points[0, 36, 0], points[0, 45, 0] = 10.0, 60.0
    target = Keypoints(points, torch.full((1, 68), 2), xyxy=torch.tensor([[0.0, 0.0, 90.0, 90.0]]))
    metric = PoseMetric(info)
    metric.update([dataclasses.replace(target, points=points + torch.tensor([3.0, 4.0]))], [target])
    assert metric.compute().nme_outer_eye_corners == pytest.approx(0.1)


def test_the_worst_image_is_the_least_alike() -> None:
    target = people(1)
    right, wrong = predicted(target, 0.0), predicted(target, 60.0)
    evaluation = PoseEvaluation()
    assert evaluation.error_score(right, target, PERSON) == pytest.approx(0)
    assert evaluation.error_score(wrong, target, PERSON) > 0.9
    assert evaluation.error_score(right[:0], target, PERSON) == 1


def test_an_ensemble_weighs_joints_by_their_scores() -> None:
    target = people(1)
    a = dataclasses.replace(predicted(target, 0.0), joint_scores=torch.full((1, 17), 0.75))
    b = dataclasses.replace(predicted(target, 4.0), joint_scores=torch.full((1, 17), 0.25))
    joined = PoseEvaluation().ensemble([a, b])
    torch.testing.assert_close(joined.points, target.points + 1)
