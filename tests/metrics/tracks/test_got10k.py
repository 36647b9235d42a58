"""GOT-10k's scores by hand."""

from __future__ import annotations

import pytest
import torch

from zorki.metrics.tracks.got10k import average_overlap, got10k_overlaps, success_rate


def boxes(*rows):
    return torch.tensor(rows, dtype=torch.float32)


TRUTH = boxes((0, 0, 10, 10), (0, 0, 10, 10), (5, 0, 15, 10))


def test_the_ground_truth_scores_one():
    overlaps = got10k_overlaps(TRUTH, TRUTH)
    assert overlaps.tolist() == [1.0, 1.0]
    assert average_overlap([overlaps]) == 1.0
    assert success_rate([overlaps], 0.75) == 1.0


def test_the_first_frame_is_left_out():
    predicted = boxes((90, 90, 95, 95), (0, 0, 10, 10), (5, 0, 15, 10))
    assert got10k_overlaps(predicted, TRUTH).tolist() == [1.0, 1.0]


def test_boxes_are_brought_into_the_frame_as_by_the_toolkit():
    """Below and to the right they are cut off; above and to the left they are moved and keep their size.

    The numbers are those of got10k 0.1.3: rect_iou(predicted, ground truth, bound=(20, 12)) of x, y, width, height.
    """
    predicted = boxes((0, 0, 10, 10), (-10, 0, 10, 10), (5, -4, 15, 6), (5, 0, 40, 30), (30, 0, 40, 10))
    truth = torch.cat([TRUTH, boxes((5, 0, 20, 12), (12, 0, 22, 10))])
    assert got10k_overlaps(predicted, truth).tolist() == pytest.approx([0.5, 3 / 7, 6 / 35, 0.0], abs=1e-6)
    found = got10k_overlaps(predicted, truth, size=(12, 20))
    assert found.tolist() == pytest.approx([0.5, 1.0, 1.0, 0.0], abs=1e-6)


def test_frames_without_the_object_count_nowhere():
    predicted = boxes((0, 0, 10, 10), (50, 50, 60, 60), (5, 0, 15, 10))
    assert got10k_overlaps(predicted, TRUTH, visible=torch.tensor([True, False, True])).tolist() == [1.0]


def test_frames_of_all_sequences_weigh_alike():
    sequences = [torch.tensor([0.5]), torch.tensor([1.0, 0.6, 0.75])]
    assert average_overlap(sequences) == pytest.approx((0.5 + 1.0 + 0.6 + 0.75) / 4)
    assert success_rate(sequences, 0.5) == 0.75
    assert success_rate(sequences, 0.75) == 0.25


def test_without_frames_there_is_no_score():
    assert average_overlap([]) is None
    assert success_rate([torch.zeros(0)], 0.5) is None
