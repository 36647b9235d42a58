"""Named points over speed."""

import re

import pytest

from zorki.draw.scatter import front_of, scatter


def test_the_front_is_what_no_other_beats():
    assert front_of([(1, 0.9), (10, 0.8), (5, 0.7), (100, 0.1)]) == [0, 1, 3]
    assert front_of([(1, 1), (1, 1)]) == [0, 1]


def test_quicker_is_right_and_better_is_up():
    svg = scatter({"slow": (1, 0.2), "quick": (100, 0.6)}, title="t", x_label="images/s", y_label="ap")
    places = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)]
    assert places[1][0] > places[0][0]
    assert places[1][1] < places[0][1]
    assert "slow: 0.2 ap at 1 images/s" in svg


def test_names_lie_neither_on_each_other_nor_on_points():
    points = {f"method_{number}": (10 * 1.02 ** (number % 4), 0.5 + 0.004 * number) for number in range(9)}
    svg = scatter(points, title="t", x_label="x", y_label="y")
    names = [(float(x), float(y)) for x, y in re.findall(r'x="([\d.]+)" y="([\d.]+)"[^>]*>method_', svg)]
    dots = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)]
    assert len(names) == len(dots) == 9
    for index, (x, y) in enumerate(names):
        assert all(abs(y - other_y) > 10 or abs(x - other_x) > 50 for other_x, other_y in names[:index])
        assert not any(x <= dot_x <= x + 50 and y - 10 <= dot_y <= y for dot_x, dot_y in dots)


@pytest.mark.parametrize("points", [{}, {"none": (0, 0.5)}])
def test_nothing_to_show(points):
    assert "nothing to show" in scatter(points, title="t", x_label="x", y_label="y")
