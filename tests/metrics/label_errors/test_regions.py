"""Pieces where a model sees another class, and not the rims of objects."""

import numpy as np
import pytest

from zorki.metrics.label_errors.regions import region_errors


def test_a_piece_is_found_and_a_rim_is_not():
    labels = np.zeros((40, 50), int)
    labels[5:20, 5:20] = 1
    predicted = labels.copy()
    predicted[5:20, 5:20] = 0
    predicted[6:19, 6:19] = 1  # a rim of one pixel
    predicted[25:35, 30:45] = 2
    (found,) = region_errors(predicted, labels, np.zeros_like(labels, bool))
    assert (found.label, found.suggested, found.box) == (0, 2, (30, 25, 45, 35))
    assert found.share == pytest.approx(150 / 2000)


def test_ignored_pixels_and_small_pieces_count_nowhere():
    labels, predicted = np.zeros((40, 50), int), np.zeros((40, 50), int)
    predicted[10:20, 10:20] = 1
    ignored = predicted == 1
    assert region_errors(predicted, labels, ignored) == []
    assert region_errors(predicted, labels, ~ignored & False, min_share=0.06) == []
    assert len(region_errors(predicted, labels, ~ignored & False)) == 1
    assert region_errors(labels, labels, ~ignored & False) == []
