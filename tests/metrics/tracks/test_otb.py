"""OTB's curves by hand and by plain loops."""

from __future__ import annotations

import math

import pytest
import torch

from zorki.metrics.tracks.otb import mean_curves, otb_curves


def boxes(*rows):
    return torch.tensor(rows, dtype=torch.float32)


def test_the_ground_truth_scores_20_of_21_thresholds():
    truth = boxes((0, 0, 10, 10), (5, 5, 20, 25), (1, 2, 3, 4))
    found = otb_curves(truth, truth)
    assert found.auc == pytest.approx(20 / 21)
    assert found.precision.tolist() == [1.0] * 51


def test_an_overlap_must_exceed_its_threshold():
    truth = boxes((0, 0, 10, 10), (0, 0, 10, 10))
    half = boxes((0, 0, 10, 10), (0, 0, 10, 5))
    success = otb_curves(half, truth).success
    assert success[9].item() == 1.0  # .45
    assert success[10].item() == 0.5  # .5: only the first frame, which is given


def test_the_first_frame_is_the_ground_truth_s():
    truth = boxes((0, 0, 10, 10), (0, 0, 10, 10))
    wrong = boxes((50, 50, 60, 60), (0, 0, 10, 10))
    assert otb_curves(wrong, truth).auc == pytest.approx(20 / 21)


def test_a_center_is_right_at_its_very_distance():
    truth = boxes((0, 0, 10, 10), (0, 0, 10, 10))
    found = otb_curves(boxes((0, 0, 10, 10), (20, 0, 30, 10)), truth)
    assert found.precision[19].item() == 0.5
    assert found.precision_at_20 == 1.0


def test_frames_without_annotation_fail_in_overlap_and_pass_in_precision():
    truth = boxes((0, 0, 10, 10), (0, 0, 0, 0))
    found = otb_curves(boxes((0, 0, 10, 10), (500, 500, 510, 510)), truth, torch.tensor([True, False]))
    assert found.success[0].item() == 0.5
    assert found.precision[0].item() == 1.0


def test_curves_are_those_of_plain_loops():
    generator = torch.Generator().manual_seed(3)
    corner, size = torch.rand(2, 12, 2, generator=generator) * 20, torch.rand(2, 12, 2, generator=generator) * 30 + 5
    predicted, truth = torch.cat([corner, corner + size], 2)
    found = otb_curves(predicted, truth)
    for place in range(21):
        hits = [frame == 0 or slow_iou(predicted[frame], truth[frame]) > place / 20 for frame in range(12)]
        # The first frame is the ground truth itself, whose IoU is not above 1.
        hits[0] = place < 20
        assert found.success[place].item() == pytest.approx(sum(hits) / 12)
    for pixels in range(51):
        near = [frame == 0 or slow_distance(predicted[frame], truth[frame]) <= pixels for frame in range(12)]
        assert found.precision[pixels].item() == pytest.approx(sum(near) / 12)


def slow_iou(a, b):
    (a0, a1, a2, a3), (b0, b1, b2, b3) = a.tolist(), b.tolist()
    shared = max(0.0, min(a2, b2) - max(a0, b0)) * max(0.0, min(a3, b3) - max(a1, b1))
    return shared / ((a2 - a0) * (a3 - a1) + (b2 - b0) * (b3 - b1) - shared)


def slow_distance(a, b):
    (a0, a1, a2, a3), (b0, b1, b2, b3) = a.tolist(), b.tolist()
    return math.hypot((a0 + a2 - b0 - b2) / 2, (a1 + a3 - b1 - b3) / 2)


def test_a_sequence_weighs_as_much_as_any_other():
    truth = boxes(*[(0, 0, 10, 10)] * 4)
    far = boxes((0, 0, 10, 10), *[(90, 0, 95, 5)] * 3)
    short = otb_curves(truth[:2], truth[:2])
    found = mean_curves([short, otb_curves(far, truth)])
    assert found.success[0].item() == pytest.approx((1 + 1 / 4) / 2)
