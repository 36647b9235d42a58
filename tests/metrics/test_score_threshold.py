import numpy as np
import pytest

from zorki.metrics.score_threshold import PrecisionRecall, score_curve


def curve(scores, true, positives):
    return score_curve(np.array(scores, float), np.array(true, bool), positives)


def test_best_threshold_by_hand():
    # Kept: 1 of 1 right, F1 2/5; 2 of 2, F1 4/6; 2 of 3, F1 4/7; 3 of 4, F1 6/8; 3 of 5, F1 6/9.
    found = curve([0.9, 0.8, 0.7, 0.6, 0.5], [1, 1, 0, 1, 0], positives=4)
    assert found.f1().tolist() == [2 / 5, 4 / 6, 4 / 7, 6 / 8, 6 / 9]
    assert found.best_threshold() == 0.6
    assert found.at(0.6) == PrecisionRecall(0.75, 0.75, 0.75)
    assert found.at(0.65) == PrecisionRecall(2 / 3, 0.5, 4 / 7)
    assert found.at(0.95) == PrecisionRecall(None, 0.0, 0.0)
    assert found.at(0.0) == PrecisionRecall(0.6, 0.75, 6 / 9)


def test_a_threshold_keeps_all_equal_scores_or_none():
    found = curve([0.9, 0.5, 0.5, 0.5], [1, 1, 0, 0], positives=2)
    assert found.score.tolist() == [0.9, 0.5]
    assert found.best_threshold() == 0.9  # 2/3 at .9, and 4/6 at .5: of equals the higher
    assert found.at(0.5) == PrecisionRecall(0.5, 1.0, 2 / 3)


def test_nothing_right_has_no_best_threshold():
    assert curve([0.9], [0], positives=3).best_threshold() is None
    assert curve([], [], positives=3).best_threshold() is None
    assert curve([], [], positives=3).at(None) == PrecisionRecall(None, 0.0, 0.0)
    assert curve([], [], positives=0).at(0.5) == PrecisionRecall(None, None, None)
    assert curve([0.9], [0], positives=0).at(0.5) == PrecisionRecall(0.0, None, 0.0)


def test_curve_over_scores_reaches_as_far_as_they_do():
    told = curve([0.9, 0.25], [1, 0], positives=1).over_thresholds()
    assert len(told.score) == len(told.precision) == len(told.recall) == len(told.f1) == 101
    assert (told.score[0], told.score[-1]) == (0.0, 1.0)
    assert told.precision[:26] == (0.5,) * 26
    assert told.precision[26:90] == (1.0,) * 64
    assert told.precision[91:] == (None,) * 10
    logits = curve([7.0, -3.0], [1, 0], positives=1).over_thresholds().score
    assert (logits[0], logits[-1]) == pytest.approx((-3.0, 7.0))
