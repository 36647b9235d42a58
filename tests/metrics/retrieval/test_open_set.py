"""Open-set identification by hand."""

import numpy as np
import pytest

from zorki.metrics.retrieval.open_set import open_set_tradeoff


def made(unknown, known=(), right=()):
    return open_set_tradeoff(np.array(unknown), np.array(known, float), np.array(right, bool))


def test_by_hand():
    tradeoff = made([0.1, 0.4, 0.4, 0.8], [0.9, 0.6, 0.3, 0.85], [True, True, True, False])
    for rate, accepted, identified in (
        (0, 0, 0.25),
        (0.25, 0.25, 0.5),
        (0.5, 0.25, 0.5),
        (0.75, 0.75, 0.75),
        (1, 1, 0.75),
    ):
        point = tradeoff.at_false_accept_rate(rate)
        assert (point.false_positive_identification_rate, point.detection_identification_rate) == (accepted, identified)


def test_the_threshold_is_just_above_what_may_not_pass():
    assert made([0.1, 0.4]).at_false_accept_rate(0).threshold == np.nextafter(0.4, 1)
    assert made([0.1, 0.4]).at_false_accept_rate(0).detection_identification_rate is None


def test_the_rate_is_kept_on_random_scores():
    generator = np.random.default_rng(0)
    for count in (1, 7, 100, 1000):
        scores = generator.normal(size=count).round(1)  # ties
        for rate in (0.0, 0.001, 0.01, 0.1, 0.5, 1.0):
            assert made(scores).at_false_accept_rate(rate).false_positive_identification_rate <= rate


def test_the_curve_agrees_with_its_thresholds():
    generator = np.random.default_rng(1)
    unknown, known = generator.normal(size=40).round(1), (generator.normal(size=30) + 1).round(1)
    tradeoff = made(unknown, known, generator.random(30) < 0.8)
    for (x, y), threshold in zip(tradeoff.points(), -np.unique(-unknown), strict=True):
        point = tradeoff.at_threshold(float(threshold))
        assert x == point.false_positive_identification_rate
        assert y == pytest.approx(1 - point.detection_identification_rate)
