"""NME, PCK, PDJ and PCP by pencil."""

import numpy as np
import pytest

from zorki.metrics.joint_errors import (
    correct_joints,
    correct_parts,
    joint_distances,
    normalized_mean_error,
    segment_length,
    share_of_joints,
)

# Two objects of three joints; the last joint of the second is not labeled.
POINTS = np.array([[[0.0, 0.0], [10.0, 0.0], [0.0, 20.0]], [[5.0, 5.0], [5.0, 25.0], [0.0, 0.0]]])
LABELED = np.array([[True, True, True], [True, True, False]])
PREDICTED = POINTS + np.array([[[3.0, 4.0], [0.0, 0.0], [0.0, 1.0]], [[0.0, 2.0], [0.0, 0.0], [50.0, 0.0]]])
DISTANCES = joint_distances(PREDICTED, POINTS)


def test_distances_and_lengths() -> None:
    assert DISTANCES.tolist() == [[5, 0, 1], [2, 0, 50]]
    assert segment_length(POINTS, LABELED, 0, 1).tolist() == [10, 20]
    assert np.isnan(segment_length(POINTS, LABELED, 0, 2)).tolist() == [False, True]
    assert np.isnan(segment_length(POINTS, LABELED, 1, 1)).all()


def test_the_normalized_mean_error_is_a_mean_of_objects() -> None:
    length = segment_length(POINTS, LABELED, 0, 1)
    assert normalized_mean_error(DISTANCES, LABELED, length) == pytest.approx(
        ((5 + 0 + 1) / 3 / 10 + (2 + 0) / 2 / 20) / 2
    )
    assert normalized_mean_error(DISTANCES, LABELED, np.array([10.0, np.nan])) == pytest.approx(0.2)
    assert normalized_mean_error(DISTANCES, LABELED & False, length) is None


def test_joints_are_correct_at_the_threshold_itself() -> None:
    length = np.array([10.0, 20.0])
    correct = correct_joints(DISTANCES, length, 0.1)
    assert correct.tolist() == [[False, True, True], [True, True, False]]
    assert share_of_joints(correct, LABELED, length) == pytest.approx(4 / 5)
    unknown = np.array([10.0, np.nan])
    assert share_of_joints(correct_joints(DISTANCES, unknown, 0.1), LABELED, unknown) == pytest.approx(2 / 3)
    assert share_of_joints(correct, LABELED & False, length) is None


def test_strict_parts_need_both_ends_and_loose_ones_their_mean() -> None:
    limbs = [(0, 1)]  # of 10 and 20 pixels; the first end of the first is 5 off
    assert correct_parts(DISTANCES, POINTS, LABELED, limbs, strict=True) == 1
    assert correct_parts(DISTANCES, POINTS, LABELED, limbs, strict=True, share=0.4) == 0.5
    assert correct_parts(DISTANCES, POINTS, LABELED, limbs, strict=False, share=0.4) == 1
    assert correct_parts(DISTANCES, POINTS, LABELED, [(0, 2)], strict=True) == 1, "a limb that nobody labeled is none"
    assert correct_parts(DISTANCES, POINTS, LABELED, [], strict=True) is None
