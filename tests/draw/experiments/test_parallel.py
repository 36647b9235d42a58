"""Lines of trials over all settings."""

import re

from zorki.draw.experiments.parallel import TrialLine, parallel_coordinates

LINES = [
    TrialLine("trial 0", {"optimizer": "sgd"}, 0.5),
    TrialLine("trial 1", {"lr": 0.001, "optimizer": "sgd"}, 0.6),
    TrialLine("trial 2", {"lr": 0.01, "optimizer": "adamw"}, 0.8),
    TrialLine("trial 3", {"lr": 0.1, "optimizer": "<b>"}, 0.7),
]


def drawn(**more):
    return parallel_coordinates(LINES, {"lr": True, "optimizer": False}, title="Trials", score_label="top1", **more)


def test_a_line_goes_through_its_values_by_factors_and_the_best_is_on_top():
    figure = drawn(marked=["trial 2"])
    paths = re.findall(r'd="([^"]*)"', figure)
    assert len(paths) == 4
    points = [[tuple(map(float, pair)) for pair in re.findall(r"[ML]([0-9.]+) ([0-9.]+)", path)] for path in paths]
    assert points[-1][0][1] == (points[1][0][1] + points[2][0][1]) / 2, "0.01 lies in the middle of 0.001 and 0.1"
    assert len(points[0]) == 2, "the axis that a trial has no value on is left out"
    assert points[-1][-1][1] == min(point[-1][1] for point in points)
    assert "trial 2: top1 0.8; lr 0.01, optimizer adamw" in figure
    assert "<b>" not in figure


def test_too_few_trials_are_told():
    assert "too few" in parallel_coordinates(LINES[:1], {"lr": True}, title="Trials", score_label="top1")
