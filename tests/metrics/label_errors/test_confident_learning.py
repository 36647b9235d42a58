"""Confident learning by hand, and that planted errors are found."""

import numpy as np
import pytest

from zorki.metrics.label_errors.confident_learning import (
    class_thresholds,
    confident_classes,
    confident_errors,
    confident_joint,
)

SCORES = np.array([[0.9, 0.1], [0.7, 0.3], [0.1, 0.9], [0.2, 0.8], [0.4, 0.6], [0.55, 0.45]])
LABELS = np.array([0, 0, 0, 1, 1, 1])


def test_by_hand():
    """Thresholds are (.9 + .7 + .1) / 3 and (.8 + .6 + .45) / 3."""
    assert class_thresholds(SCORES, LABELS).tolist() == pytest.approx([17 / 30, 37 / 60])
    assert confident_classes(SCORES, LABELS).tolist() == [0, 0, 1, 1, -1, -1]
    assert confident_joint(SCORES, LABELS).tolist() == [[2, 1], [0, 1]]
    (error,) = confident_errors(SCORES, LABELS)
    assert (error.row, error.suggested) == (2, 1)
    assert error.margin == pytest.approx(0.8)


def test_a_class_without_images_is_suggested_to_nobody():
    scores = np.array([[0.2, 0.1, 0.7], [0.6, 0.1, 0.3]])
    assert confident_errors(scores, np.array([0, 0])) == []


def test_planted_errors_are_found_first():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 5, 500)
    scores = generator.dirichlet(np.ones(5), 500) * 0.4
    scores[np.arange(500), truth] += 0.6
    labels = truth.copy()
    planted = generator.choice(500, 40, replace=False)
    labels[planted] = (labels[planted] + 1) % 5
    found = confident_errors(scores, labels)
    assert {error.row for error in found} <= set(planted.tolist())
    assert len(found) > 15  # whoever reaches the mean of the class: about half
    assert all(error.suggested == truth[error.row] for error in found)
    assert [error.margin for error in found] == sorted((error.margin for error in found), reverse=True)


def test_right_labels_are_left_alone():
    truth = np.arange(12) % 3
    assert confident_errors(np.eye(3)[truth] * 0.8 + 0.2 / 3, truth) == []
