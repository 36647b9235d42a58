"""Named points over speed."""

import re

import pytest

from zorki.draw.scatter import front_of, scatter


def test_the_front_is_what_no_other_beats():
    assert front_of([(1, 0.9), (10, 0.8), (5, 0.7), (100, 0.1)]) == [0, 1, 3]
    assert front_of([(1, 1), (1, 1)]) == [0, 1]


def test_quicker_is_right_and_better_is_up():
    svg = scatter({"slow": (1, 0.2), "quick": (100, 0.6)}, title="t", x_label="pictures/s", y_label="ap")
    places = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)]
    assert places[1][0] > places[0][0]
    assert places[1][1] < places[0][1]
    assert "slow: 0.2 ap at 1 pictures/s" in svg


def test_names_of_near_points_do_not_lie_on_each_other():
    svg = scatter({"first": (10, 0.5), "second": (10.1, 0.5)}, title="t", x_label="x", y_label="y")
    levels = [float(y) for y in re.findall(r'y="([\d.]+)"[^>]*>(?:first|second)<', svg)]
    assert len(levels) == 2
    assert abs(levels[0] - levels[1]) >= 13


@pytest.mark.parametrize("points", [{}, {"none": (0, 0.5)}])
def test_nothing_to_show(points):
    assert "nothing to show" in scatter(points, title="t", x_label="x", y_label="y")
