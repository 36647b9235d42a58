import numpy as np
import pytest

from zorki.metrics.score_threshold import score_curve


def curve(scores, right, wanted):
    return score_curve(np.array(scores, float), np.array(right, bool), wanted)


def test_best_threshold_by_hand():
    # Kept: 1 of 1 right, F1 2/5; 2 of 2, F1 4/6; 2 of 3, F1 4/7; 3 of 4, F1 6/8; 3 of 5, F1 6/9.
    found = curve([0.9, 0.8, 0.7, 0.6, 0.5], [1, 1, 0, 1, 0], wanted=4)
    assert found.f1().tolist() == [2 / 5, 4 / 6, 4 / 7, 6 / 8, 6 / 9]
    assert found.best() == 0.6
    assert found.at(0.6) == {"precision": 0.75, "recall": 0.75, "f1": 0.75}
    assert found.at(0.65) == {"precision": 2 / 3, "recall": 0.5, "f1": 4 / 7}
    assert found.at(0.95) == {"precision": None, "recall": 0.0, "f1": 0.0}
    assert found.at(0.0) == {"precision": 0.6, "recall": 0.75, "f1": 6 / 9}


def test_a_threshold_keeps_all_equal_scores_or_none():
    found = curve([0.9, 0.5, 0.5, 0.5], [1, 1, 0, 0], wanted=2)
    assert found.score.tolist() == [0.9, 0.5]
    assert found.best() == 0.9  # 2/3 at .9, and 4/6 at .5: of equals the higher
    assert found.at(0.5) == {"precision": 0.5, "recall": 1.0, "f1": 2 / 3}


def test_nothing_right_has_no_best_threshold():
    assert curve([0.9], [0], wanted=3).best() is None
    assert curve([], [], wanted=3).best() is None
    assert curve([], [], wanted=3).at(None) == {"precision": None, "recall": 0.0, "f1": 0.0}
    assert curve([], [], wanted=0).at(0.5) == {"precision": None, "recall": None, "f1": None}
    assert curve([0.9], [0], wanted=0).at(0.5) == {"precision": 0.0, "recall": None, "f1": 0.0}


def test_curve_over_scores_reaches_as_far_as_they_do():
    told = curve([0.9, 0.25], [1, 0], wanted=1).over_scores()
    assert {name: len(values) for name, values in told.items()} == dict.fromkeys(told, 101)
    assert (told["score"][0], told["score"][-1]) == (0.0, 1.0)
    assert told["precision"][:26] == [0.5] * 26
    assert told["precision"][26:90] == [1.0] * 64
    assert told["precision"][91:] == [None] * 10
    logits = curve([7.0, -3.0], [1, 0], wanted=1).over_scores()["score"]
    assert (logits[0], logits[-1]) == pytest.approx((-3.0, 7.0))
